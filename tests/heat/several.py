"""A block of muscle with antennas in it: what the tests of several antennas share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from vertherm.applicator.antenna import load_antenna
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid
from vertherm.heat.schedule import Activation, Schedule
from vertherm.heat.setup import Emitter, Setup
from vertherm.materials.tissue import tissue
from vertherm.materials.tissue_map import TissueMap

SPACING_MM = 2.5
GRID = Grid.isotropic(np.array([-41.25, -26.25, -25.0]), np.array([41.25, 26.25, 40.0]), SPACING_MM)
"""83 x 53 x 65 mm; a layer of cell centres lies in the plane x = 0."""


def muscle(grid: Grid = GRID) -> TissueMap:
    """Muscle without blood flow, everywhere."""
    medium = replace(tissue("muscle"), perfusion=0.0)
    fine = tuple(2 * n for n in grid.shape)
    return TissueMap(grid, 2, np.zeros(fine, np.uint8), (medium,), np.zeros(grid.shape, bool))


BLOCK = muscle()


def emitter(name: str, x_mm: float, model: str = "ji_brace_monopole", **options: Any) -> Emitter:
    """An upright antenna whose tip lies at (x, 0, 0)."""
    needle = Trajectory(np.array([x_mm, 0.0, 120.0]), np.array([x_mm, 0.0, 0.0]))
    options.setdefault("frequency_hz", 2.45e9)
    return Emitter(name, load_antenna(model), needle, **options)


def setup(*emitters: Emitter, activations: tuple[Activation, ...], **options: Any) -> Setup:
    """The block with these antennas."""
    values: dict[str, Any] = {
        "tissue": BLOCK,
        "power_kind": "forward",
        "probes": {},
        "tracked": (),
        "thermocouples": {},
        "neural_cells": np.zeros(0, np.int64),
        "reach_mm": 40.0,
        "max_cooldown_s": 60.0,
        **options,
    }
    return Setup(emitters=emitters, schedule=Schedule(activations), **values)
