"""Registration of a vertebra beside SimpleITK, on pairs of scans whose motion is known.

The pairs are made from the shared scans (:mod:`vertherm.followup.registration_pairs`); without them from the torso
phantom, and then the rows say so. Both contestants get the same scans, vertebra, excluded region and start, and one
thread. Two groups: a start within 5 mm and 5 degrees of the truth, and none better than the identity (shifts to 20 mm,
turns to 15 degrees). The error is taken at a lesion: points of a ball of 8 mm in the vertebra.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vertherm.bench.registration_peer import by_simpleitk
from vertherm.core.progress import Progress, silent
from vertherm.followup.registration import register_vertebra
from vertherm.followup.registration_pairs import (
    SUBJECTS,
    Ball,
    Scan,
    Subject,
    made_subject,
    neighbours,
    random_motion,
    read_subject,
    take,
)
from vertherm.followup.registration_rigid import Rigid
from vertherm.geometry.volume import FloatArray, Volume

Row = dict[str, Any]
PAIRS = 12
"""In each group, shared evenly by the subjects."""
LESION_MM = 8.0
WRONG_MM = 1.0
"""A lesion further off than this was registered wrongly; a verdict should have said so."""
SPACINGS = {"single": (1.0, 1.0, 1.0), "dicom": (1.2, 1.2, 2.0), "lumbar": (3.0, 3.0, 3.0), "made": (1.5, 1.5, 1.5)}
HALVES = {
    "single": (46.0, 40.0, 42.0),
    "dicom": (50.0, 50.0, 42.0),
    "lumbar": (52.0, 52.0, 56.0),
    "made": (50.0, 50.0, 44.0),
}


@dataclass(frozen=True, eq=False)
class Pair:
    """Two scans of one vertebra.

    Args:
        planning: HU.
        followup: HU.
        vertebra: bool, planning grid.
        start: (4, 4) planning to follow-up, RAS mm.
        truth: of the vertebra.
        lesion_mm: (n, 3) planning points where the error is taken.
    """

    planning: Volume
    followup: Volume
    vertebra: Volume
    start: FloatArray
    truth: Rigid
    lesion_mm: FloatArray


@dataclass(frozen=True)
class Result:
    """One contestant on one pair.

    Args:
        error_mm: root mean square at the lesion; infinite where no transform came out.
        accepted: its own verdict; None where it gives none.
        wall_s: taken.
        cpu_s: taken by the process.
    """

    error_mm: float
    accepted: bool | None
    wall_s: float
    cpu_s: float


Contestant = Callable[[Pair], tuple[FloatArray | None, bool | None]]


def rows(quick: bool = False, progress: Progress = silent) -> list[Row]:
    """Benchmark rows: time (``ratio``: peer over ours), error and verdicts of each contestant.

    Args:
        quick: one pair of the torso phantom, for tests.
        progress: told about every pair.
    """
    subjects, source = _subjects(quick)
    each = 1 if quick else PAIRS // len(subjects)
    out: list[Row] = []
    for group in ("near start",) if quick else ("near start", "no start"):
        found: dict[str, list[Result]] = {name: [] for name in CONTESTANTS}
        todo = [(of, seed) for of in subjects for seed in range(each)]
        for number, (of, seed) in enumerate(todo):
            progress(f"registration, {group}", number / len(todo))
            pair = made_pair(of, seed, near=group == "near start")
            for name, contestant in CONTESTANTS.items():
                found[name].append(judged(pair, contestant))
        out += rows_of(f"registration, {group}, {len(todo)} pairs, {source}", found)
    return out


def made_pair(of: Subject, seed: int, *, near: bool) -> Pair:
    """A pair by subject and seed; odd seeds have cement and a treated zone in the follow-up that nobody drew.

    Args:
        of: scanned.
        seed: of everything random.
        near: start within 5 mm and 5 degrees of the truth; otherwise the identity.
    """
    rng = np.random.default_rng(seed)
    level = of.levels[seed % len(of.levels)]
    centre, mask = of.centre(level), of.mask(level)
    truth = random_motion(centre, rng)
    off = random_motion(centre, rng, shift_mm=5.0, turn_deg=5.0)
    others = neighbours(of, level, truth, rng) if len(of.levels) > 1 else None
    points = mask.grid.world(np.argwhere(mask.data))
    lesion = np.array([centre[0], np.percentile(points[:, 1], 70), centre[2]]) + rng.uniform(-3, 3, 3)
    half = HALVES[of.name]
    first = Scan(SPACINGS[of.name], half, _around(centre, rng), noise_hu=20.0, blur_mm=0.3, seed=1000 + seed)
    noise, blur = float(rng.uniform(20, 60)), float(rng.uniform(0.3, 1.0))
    there = _around(centre + truth.shift_mm, rng)
    second = Scan(SPACINGS[of.name], half, there, noise_hu=noise, blur_mm=blur, seed=2000 + seed)
    return Pair(
        planning=take(of, first),
        followup=take(of, second, truth, balls=_treated(lesion) if seed % 2 else (), others=others),
        vertebra=mask,
        start=truth.matrix @ off.matrix if near else np.eye(4),
        truth=truth,
        lesion_mm=points[np.linalg.norm(points - lesion, axis=1) < LESION_MM],
    )


def judged(pair: Pair, contestant: Contestant) -> Result:
    """Time and error of one contestant on one pair."""
    wall, cpu = time.perf_counter(), time.process_time()
    matrix, accepted = contestant(pair)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if matrix is None:
        return Result(float("inf"), accepted, wall, cpu)
    found = pair.lesion_mm @ matrix[:3, :3].T + matrix[:3, 3]
    apart = ((found - pair.truth(pair.lesion_mm)) ** 2).sum(axis=1)
    return Result(float(np.sqrt(apart.mean())), accepted, wall, cpu)


def rows_of(title: str, found: dict[str, list[Result]]) -> list[Row]:
    """Rows of one group of pairs."""
    ours = float(np.median([one.wall_s for one in found["vertherm"]]))
    out: list[Row] = []
    for name, results in found.items():
        wall = float(np.median([one.wall_s for one in results]))
        cpu = float(np.median([one.cpu_s for one in results]))
        errors = np.array([one.error_mm for one in results])
        note = _verdicts(results)

        def row(what: str, value: float | None, unit: str, ratio: float | None = None, name: str = name) -> Row:
            return {"name": f"{name} {what}{title}", "value": value, "unit": unit, "ratio": ratio}

        out.append({**row("", wall, "s", wall / ours), "cpu_s": cpu, "note": note})
        for what, value in (("median error of ", float(np.median(errors))), ("worst error of ", float(errors.max()))):
            out.append({**row(what, value if np.isfinite(value) else None, "mm"), "cpu_s": None, "note": note})
        for limit in (0.5, 1.0):
            share = float((errors < limit).mean())
            out.append({**row(f"share below {limit} mm of ", share, "1"), "cpu_s": None, "note": note})
    return out


def _verdicts(results: Sequence[Result]) -> str:
    wrong = [one for one in results if one.error_mm > WRONG_MM]
    if any(one.accepted is None for one in results):
        return f"gives no verdict: {len(wrong)} of {len(results)} off by more than {WRONG_MM:g} mm and not recognised"
    accepted = sum(bool(one.accepted) for one in results)
    caught = sum(not one.accepted for one in wrong)
    return f"{accepted} of {len(results)} accepted; {len(wrong)} off by more than {WRONG_MM:g} mm, {caught} recognised"


def _treated(lesion: FloatArray) -> tuple[Ball, ...]:
    return (
        Ball(lesion, (9.0, 9.0, 8.0), 20.0),
        Ball(lesion + np.array([4.0, -2.0, 1.0]), (8.0, 7.5, 7.5), 2200.0),
    )


def _around(centre: FloatArray, rng: np.random.Generator) -> tuple[float, float, float]:
    x, y, z = centre + rng.uniform(-4.0, 4.0, 3)
    return float(x), float(y), float(z)


def _subjects(quick: bool) -> tuple[list[Subject], Literal["real scans", "torso phantom"]]:
    folder = os.environ.get("VERTHERM_DATA")
    if not quick and folder and all((Path(folder) / paths[0]).exists() for paths in SUBJECTS.values()):
        return [read_subject(Path(folder), name) for name in SUBJECTS], "real scans"
    return [made_subject()], "torso phantom"


def _ours(pair: Pair) -> tuple[FloatArray | None, bool | None]:
    found = register_vertebra(pair.planning, pair.followup, pair.vertebra, start=pair.start)
    return found.transform, found.status == "ok"


def _peer(pair: Pair) -> tuple[FloatArray | None, bool | None]:
    return by_simpleitk(pair.planning, pair.followup, pair.vertebra, pair.start), None


CONTESTANTS: dict[str, Contestant] = {"vertherm": _ours, "SimpleITK": _peer}
