"""Strength of one target's vertebral body in four states, on a grid turned into the body's own directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from vertherm.access.scene import VertebraFrame
from vertherm.cement.strength.states import CEMENTED, State, StateRow, compare, treatment_states
from vertherm.cement.vertebra import porous_medium
from vertherm.core.errors import InputError, SolverError
from vertherm.core.progress import Progress, silent
from vertherm.ensemble.runner import run
from vertherm.geometry.volume import Grid, Volume
from vertherm.materials.bone_density import DensityCalibration, apparent_density
from vertherm.materials.bone_mechanics import mechanics_constant
from vertherm.planning.access.scene import own_frame
from vertherm.planning.assessment import Banded
from vertherm.planning.cement.document import (
    StrengthDistributionRow,
    StrengthRow,
    StrengthStateRow,
    StrengthVolumeRow,
)
from vertherm.planning.cement.fill import TargetFill, left_share, left_shares
from vertherm.planning.cement.published import STRENGTH
from vertherm.planning.cement.scene import smooth
from vertherm.planning.objects import Case, Target

Bool = NDArray[np.bool_]
Field = NDArray[np.float32]
SPACING_MM = 1.5
"""Edge of an element: finer ones change ratios by a hundredth, and cost four times as much (see the tests)."""
POSTERIOR_SHARE = 0.2
"""Rearmost share of the body's depth that counts as posterior wall."""
VOLUMES = 5
"""Volumes at which strength is looked at, evenly up to the largest one that curves go to."""
LAWS = ("morgan", "shallow", "steep")
"""Laws from density to modulus: the first one is the nominal one, all of them make the band."""
MIN_ROWS = 3
WHOLE, MOST_LEFT, MOST_RIGHT = "predicted", "most on the left", "most on the right"


@dataclass(frozen=True, eq=False)
class StrengthScene:
    """What all solves of one body need; arrays on ``grid``, whose third axis is that of the body.

    Args:
        density_g_cm3: apparent.
        fills: share of each voxel that is cement, by name of the fill: WHOLE, the two most one-sided samples, smaller
            and larger volumes.
    """

    grid: Grid
    density_g_cm3: Field
    body: Bool
    lesion: Bool
    ablated: Bool | None
    kind: str
    fills: dict[str, Field]
    posterior: Bool


@dataclass(frozen=True)
class StrengthTask:
    """All states of one law and modulus of cement (None: the nominal one) or, with ``fill``, that fill's alone."""

    law: str = LAWS[0]
    cement_mpa: float | None = None
    fill: str = ""


def run_strength(task: StrengthTask, scene: StrengthScene) -> tuple[StateRow, ...]:
    """What a worker does: compress the states of a task; the first row is the reference."""
    states = treatment_states(
        scene.density_g_cm3,
        scene.body,
        scene.lesion,
        ablated=scene.ablated,
        cement_fraction=scene.fills[task.fill or WHOLE],
        cement=task.cement_mpa or "cement_modulus",
        law=task.law,
        lesion_kind="lytic" if scene.kind == "lytic" else "by density",
    )
    kept: Sequence[State] = [states[-1]] if task.fill or task.cement_mpa else states
    return compare(kept, float(scene.grid.spacing_mm[0]), scene.posterior)


def strength(
    case: Case,
    target: Target,
    calibration: DensityCalibration,
    share: Volume,
    found: TargetFill | None,
    zone: Volume | None,
    *,
    workers: int = 0,
    progress: Progress = silent,
) -> tuple[StrengthRow | None, dict[str, Volume]]:
    """Stiffness and failure load of the body in every state; nothing where there is no body or frame.

    Args:
        share: share of each cell that holds cement.
        found: the fill, for smaller volumes; None where the cement was measured.
        zone: bool, what the ablation coagulates; None: no such state.

    Returns:
        The rows, and by state the effective strain at the load at which the body without lesion fails.
    """
    body, frame = (case.anatomy.bodies or {}).get(target.level), own_frame(case.anatomy, target.level)
    if body is None or frame is None:
        return None, {}
    placed = _fills(share, found)
    scene = _scene(case, target, calibration, body, frame, {name: fill for name, (_, fill) in placed.items()}, zone)
    modulus = mechanics_constant("cement_modulus")
    tasks = [
        *(StrengthTask(law) for law in LAWS),
        *(StrengthTask(cement_mpa=end) for end in (modulus.low, modulus.high)),
        *(StrengthTask(fill=name) for name in placed if name != WHOLE),
    ]
    outcomes = run(run_strength, tasks, shared=scene, workers=workers, progress=progress, label="strength")
    failed = next((o for o in outcomes if o.failed), None)
    if failed is not None:
        raise failed.cause or SolverError("A finite-element solve failed.", got=failed.error)
    found_rows = dict(zip(tasks, (cast(tuple[StateRow, ...], o.value) for o in outcomes), strict=True))
    row = _row(found_rows, {name: volume for name, (volume, _) in placed.items()}, found)
    nominal = found_rows[StrengthTask(LAWS[0])]
    load = nominal[0].failure.load_n
    # Linear: the strain of the computed load, scaled. One load for all states, so that their colours compare.
    strains = {one.name: one.compression.effective_strain * (load / one.compression.force_n) for one in nominal}
    return row, {name: Volume(strain.astype(np.float32), scene.grid) for name, strain in strains.items()}


def _row(
    rows: Mapping[StrengthTask, tuple[StateRow, ...]],
    volumes_ml: Mapping[str, float],
    found: TargetFill | None,
) -> StrengthRow:
    by_law = [rows[StrengthTask(law)] for law in LAWS]
    nominal = by_law[0]
    others = [one[0] for task, one in rows.items() if task.cement_mpa]
    fills = {task.fill: one[0] for task, one in rows.items() if task.fill} | {WHOLE: nominal[-1]}
    volumes = _volumes(nominal, fills, volumes_ml)
    return StrengthRow(
        spacing_mm=SPACING_MM,
        elements=int(nominal[0].compression.statistics["elements"]),
        criterion="2 % of the bone beyond an effective strain of 0.7 % (Pistoia 2002, recalled; found for the radius)",
        states=[_state([law[n] for law in by_law], nominal[0], others) for n in range(len(nominal))],
        volumes=volumes,
        volume_words=_volume_words(volumes),
        distribution=_distribution(nominal[0], fills, found),
        published=STRENGTH,
        words=_words(nominal),
    )


def body_grid(body: Volume, frame: VertebraFrame, spacing_mm: float) -> Grid:
    """Isotropic grid around the body along the vertebra's right, anterior and superior directions."""
    axes = np.stack([frame.right, frame.anterior, frame.superior], axis=-1)
    points = (body.grid.world(np.argwhere(body.data)) - frame.centre_mm) @ axes
    half = 0.5 * float(body.grid.spacing_mm.max()) + spacing_mm
    low, high = points.min(axis=0) - half, points.max(axis=0) + half
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing_mm
    affine[:3, 3] = frame.centre_mm + axes @ (low + 0.5 * spacing_mm)
    nx, ny, nz = (int(n) for n in np.ceil((high - low) / spacing_mm))
    return Grid((nx, ny, nz), affine, body.grid.frame)


def _scene(
    case: Case,
    target: Target,
    calibration: DensityCalibration,
    body: Volume,
    frame: VertebraFrame,
    fills: Mapping[str, Volume],
    zone: Volume | None,
) -> StrengthScene:
    grid = body_grid(body, frame, SPACING_MM)
    density = calibration.density(case.anatomy.ct.resampled(grid, order=1, outside=0.0).data)
    inside = smooth(body, grid)
    if not inside.any():
        raise InputError("The vertebral body is empty.", where=f"target {target.name}")
    lesion = smooth(target.mask, grid)
    return StrengthScene(
        grid=grid,
        density_g_cm3=apparent_density(density),
        body=inside,
        lesion=lesion,
        ablated=smooth(zone, grid) if zone is not None else None,
        kind=target.kind,
        fills={name: _cement(fill, grid) for name, fill in fills.items()},
        posterior=_posterior(inside),
    )


def _fills(share: Volume, found: TargetFill | None) -> dict[str, tuple[float, Volume]]:
    """Injected volume and cement by name of the fill; of measured cement only its own."""
    if found is None:
        return {WHOLE: (float(share.data.sum()) * share.grid.voxel_volume_ml, share)}
    pores = porous_medium(found.scene, found.drawn).porosity

    def held(arrival_ml: NDArray[np.floating], volume_ml: float) -> tuple[float, Volume]:
        cells = np.where(arrival_ml <= volume_ml, pores, 0.0).astype(np.float32)
        return volume_ml, Volume(cells, share.grid)

    fills = {WHOLE: (found.volume_ml, share)}
    for volume in np.linspace(0.0, found.plan.volume_ml, VOLUMES + 1)[1:]:
        # A volume next to the chosen one would be shown twice.
        if abs(volume - found.volume_ml) > 0.02 * found.plan.volume_ml:
            fills[f"{volume:.2f} ml"] = held(found.nominal.arrival_ml, float(volume))
    lefts = left_shares(found)
    for name, place in ((MOST_LEFT, int(np.argmax(lefts))), (MOST_RIGHT, int(np.argmin(lefts)))):
        fills[name] = held(found.samples[place].arrival_ml, found.volume_ml)
    return fills


def _cement(share: Volume, grid: Grid) -> Field:
    return np.clip(share.resampled(grid, order=1, outside=0.0).data, 0.0, 1.0).astype(np.float32)


def _posterior(body: Bool) -> Bool:
    """Rearmost fifth of the body's depth; the second axis points forwards."""
    depth = np.flatnonzero(body.any(axis=(0, 2)))
    rear = depth[0] + max(1, round(POSTERIOR_SHARE * len(depth)))
    out = np.zeros_like(body)
    out[:, :rear] = body[:, :rear]
    return out


def _state(rows: Sequence[StateRow], reference: StateRow, cements: Sequence[StateRow]) -> StrengthStateRow:
    """One state over all laws and, with cement, its moduli; of the failure load also the range of the criterion."""
    nominal = rows[0]
    also = list(cements) if nominal.name == CEMENTED else []
    loads = [load for row in [*rows, *also] for load in (row.failure.low_n, row.failure.high_n)]
    right, anterior = _shift_mm(nominal, reference)
    return StrengthStateRow(
        state=cast(Literal["without lesion", "with lesion", "after ablation", "with cement"], nominal.name),
        stiffness_ratio=_band([*(r.stiffness_ratio for r in rows), *(_stiff(r, reference) for r in also)]),
        failure_ratio=_band([*(r.failure_ratio for r in rows), *(_strong(r, reference) for r in also)]),
        posterior_share=nominal.posterior_share or 0.0,
        load_right_mm=right,
        load_anterior_mm=anterior,
        stiffness_n_mm=_band([row.stiffness_n_mm for row in [*rows, *also]]),
        failure_n=Banded(value=nominal.failure.load_n, low=min(loads), high=max(loads)),
    )


def _stiff(row: StateRow, reference: StateRow) -> float:
    return row.stiffness_n_mm / reference.stiffness_n_mm


def _strong(row: StateRow, reference: StateRow) -> float:
    return row.failure.load_n / reference.failure.load_n


def _shift_mm(row: StateRow, reference: StateRow) -> tuple[float, float]:
    """How far the line of load moved, to the right and forwards: the grid's first two axes."""
    (x, y), (x0, y0) = row.load_centre_mm, reference.load_centre_mm
    return x - x0, y - y0


def _volumes(
    nominal: Sequence[StateRow], fills: Mapping[str, StateRow], volumes_ml: Mapping[str, float]
) -> list[StrengthVolumeRow]:
    """Ratios over the injected volume: none, then every volume looked at."""
    reference, before = nominal[0], nominal[-2]
    shown = {volumes_ml[name]: row for name, row in fills.items() if name not in (MOST_LEFT, MOST_RIGHT)}
    return [
        StrengthVolumeRow(volume_ml=at, stiffness_ratio=_stiff(row, reference), failure_ratio=_strong(row, reference))
        for at, row in sorted({0.0: before, **shown}.items())
    ]


def _volume_words(rows: Sequence[StrengthVolumeRow]) -> str:
    """What a millilitre adds where it adds most, and what the last ones add."""
    if len(rows) < MIN_ROWS:
        return ""
    gains = [
        (100.0 * (b.stiffness_ratio - a.stiffness_ratio) / (b.volume_ml - a.volume_ml), a.volume_ml, b.volume_ml)
        for a, b in pairwise(rows)
    ]
    (most, start, end), (last, late, largest) = max(gains), gains[-1]
    return (
        f"A millilitre adds most from {start:.1f} to {end:.1f} ml: {most:.1f} % of the stiffness without lesion; "
        f"from {late:.1f} to {largest:.1f} ml it adds {last:.1f} %."
    )


def _distribution(
    reference: StateRow, fills: Mapping[str, StateRow], found: TargetFill | None
) -> list[StrengthDistributionRow]:
    if found is None:
        return []
    lefts = left_shares(found)
    shares = {WHOLE: left_share(found, found.nominal), MOST_LEFT: float(lefts.max()), MOST_RIGHT: float(lefts.min())}
    words = {
        WHOLE: "as predicted",
        MOST_LEFT: "the sample with most on the left",
        MOST_RIGHT: "the sample with most on the right",
    }
    return [
        StrengthDistributionRow(
            words=words[name],
            left_share=share,
            stiffness_ratio=_stiff(fills[name], reference),
            failure_ratio=_strong(fills[name], reference),
            load_right_mm=_shift_mm(fills[name], reference)[0],
        )
        for name, share in shares.items()
    ]


def _words(rows: Sequence[StateRow]) -> str:
    by_name = {row.name: row for row in rows}
    cement, lesion = by_name.get(CEMENTED), rows[1]
    left = f"{lesion.stiffness_ratio:.0%} of the stiffness and {lesion.failure_ratio:.0%} of the strength"
    words = f"The lesion leaves {left}"
    if cement is None:
        return words + "."
    return words + (
        f"; with cement it is {cement.stiffness_ratio:.0%} and {cement.failure_ratio:.0%} of the body without lesion. "
        "Linear, isotropic, axial compression of the body alone: no arch, no discs, no bending. By the other published "
        "criterion (a critical mean strain, Crawford 2003, recalled) the strength ratio equals that of the stiffness: "
        "where the two differ in direction, neither is established."
    )


def _band(values: Sequence[float]) -> Banded:
    """The first value is the nominal one."""
    return Banded(value=values[0], low=min(values), high=max(values))
