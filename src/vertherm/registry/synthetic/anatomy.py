"""Levels drawn within a region of the spine."""

from __future__ import annotations

import numpy as np

from vertherm.clinical.levels import Level, Region, parse_level

LEVELS: dict[str, tuple[str, ...]] = {
    region.value: tuple(level.value for level in Level if level.region is region and not level.supernumerary)
    for region in Region
}
"""Usual levels by region, from head to tail."""


def draw_levels(rng: np.random.Generator, regions: list[str]) -> list[str]:
    """One level for each lesion of a patient, all different, from head to tail; ``regions`` names theirs."""
    levels: list[str] = []
    for region in sorted(set(regions)):
        chosen = rng.choice(len(LEVELS[region]), size=regions.count(region), replace=False)
        levels += [LEVELS[region][i] for i in chosen]
    return sorted(levels, key=lambda name: parse_level(name).order)


def region_of(level: str) -> str:
    """Region of a level's name."""
    return parse_level(level).region.value
