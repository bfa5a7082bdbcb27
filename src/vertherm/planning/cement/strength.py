"""Strength of one target's vertebral body in four states, on a grid turned into the body's own directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from vertherm.access.scene import VertebraFrame
from vertherm.cement.strength.states import CEMENTED, State, StateRow, compare, treatment_states
from vertherm.core.errors import InputError, SolverError
from vertherm.core.progress import Progress, silent
from vertherm.ensemble.runner import run
from vertherm.geometry.volume import Grid, Volume
from vertherm.materials.bone_density import DensityCalibration, apparent_density
from vertherm.planning.access.scene import own_frame
from vertherm.planning.assessment import Banded
from vertherm.planning.cement.document import StrengthRow, StrengthStateRow, StrengthVolumeRow
from vertherm.planning.cement.fill import TargetFill
from vertherm.planning.cement.published import STRENGTH
from vertherm.planning.cement.scene import smooth
from vertherm.planning.objects import Case, Target

Bool = NDArray[np.bool_]
Field = NDArray[np.float32]
SPACING_MM = 1.5
"""Edge of an element: finer ones change ratios by a hundredth, and cost four times as much (see the tests)."""
POSTERIOR_SHARE = 0.2
"""Rearmost share of the body's depth that counts as posterior wall."""
VOLUME_SHARES = (0.25, 0.5, 0.75)
"""Smaller fills whose strength is looked at too."""
LAWS = ("morgan", "shallow", "steep")
"""Laws from density to modulus: the first one is the nominal one, all of them make the band."""


@dataclass(frozen=True, eq=False)
class StrengthScene:
    """What all solves of one body need; arrays on ``grid``, whose third axis is that of the body.

    Args:
        density_g_cm3: apparent.
        cements: share of each voxel by volume in ml, the whole fill last.
    """

    grid: Grid
    density_g_cm3: Field
    body: Bool
    lesion: Bool
    ablated: Bool | None
    kind: str
    cements: dict[float, Field]
    posterior: Bool


@dataclass(frozen=True)
class StrengthTask:
    """States of one law; ``volume_ml``: of the cement, None: every state with the whole fill."""

    law: str
    volume_ml: float | None = None


def run_strength(task: StrengthTask, scene: StrengthScene) -> tuple[StateRow, ...]:
    """What a worker does: compress the states of a task; the first row is the reference."""
    whole = max(scene.cements)
    cement = scene.cements[whole if task.volume_ml is None else task.volume_ml]
    states = treatment_states(
        scene.density_g_cm3,
        scene.body,
        scene.lesion,
        ablated=scene.ablated,
        cement_fraction=cement,
        law=task.law,
        lesion_kind="lytic" if scene.kind == "lytic" else "by density",
    )
    kept: Sequence[State] = states if task.volume_ml is None else [states[-1]]
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
        The rows, and the effective strain by state.
    """
    body, frame = (case.anatomy.bodies or {}).get(target.level), own_frame(case.anatomy, target.level)
    if body is None or frame is None:
        return None, {}
    scene = _scene(case, target, calibration, body, frame, share, found, zone)
    tasks = [StrengthTask(law) for law in LAWS] + [StrengthTask(LAWS[0], v) for v in sorted(scene.cements)[:-1]]
    outcomes = run(run_strength, tasks, shared=scene, workers=workers, progress=progress, label="strength")
    failed = next((o for o in outcomes if o.failed), None)
    if failed is not None:
        raise failed.cause or SolverError("A finite-element solve failed.", got=failed.error)
    by_law = [cast(tuple[StateRow, ...], o.value) for o in outcomes[: len(LAWS)]]
    smaller = [cast(tuple[StateRow, ...], o.value)[0] for o in outcomes[len(LAWS) :]]
    nominal = by_law[0]
    row = StrengthRow(
        spacing_mm=SPACING_MM,
        elements=int(nominal[0].compression.statistics["elements"]),
        criterion="2 % of the bone beyond an effective strain of 0.7 % (Pistoia 2002, recalled; found for the radius)",
        states=[_state([rows[n] for rows in by_law]) for n in range(len(nominal))],
        volumes=_volumes(scene, nominal, smaller),
        published=STRENGTH,
        words=_words(nominal),
    )
    strain = {one.name: Volume(one.compression.effective_strain, scene.grid) for one in nominal}
    return row, strain


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
    share: Volume,
    found: TargetFill | None,
    zone: Volume | None,
) -> StrengthScene:
    grid = body_grid(body, frame, SPACING_MM)
    density = calibration.density(case.anatomy.ct.resampled(grid, order=1, outside=0.0).data)
    inside = smooth(body, grid)
    if not inside.any():
        raise InputError("The vertebral body is empty.", where=f"target {target.name}")
    cements = {float(share.data.sum()) * share.grid.voxel_volume_ml: _cement(share, grid)}
    if found is not None:
        for part in VOLUME_SHARES:
            volume = part * found.volume_ml
            held = np.where(found.nominal.arrival_ml <= volume, share.data, 0.0).astype(np.float32)
            less = Volume(held, share.grid)
            cements[float(held.sum()) * share.grid.voxel_volume_ml] = _cement(less, grid)
    lesion = smooth(target.mask, grid)
    return StrengthScene(
        grid=grid,
        density_g_cm3=apparent_density(density),
        body=inside,
        lesion=lesion,
        ablated=smooth(zone, grid) if zone is not None else None,
        kind=target.kind,
        cements=cements,
        posterior=_posterior(inside),
    )


def _cement(share: Volume, grid: Grid) -> Field:
    return np.clip(share.resampled(grid, order=1, outside=0.0).data, 0.0, 1.0).astype(np.float32)


def _posterior(body: Bool) -> Bool:
    """Rearmost fifth of the body's depth; the second axis points forwards."""
    depth = np.flatnonzero(body.any(axis=(0, 2)))
    rear = depth[0] + max(1, round(POSTERIOR_SHARE * len(depth)))
    out = np.zeros_like(body)
    out[:, :rear] = body[:, :rear]
    return out


def _state(rows: Sequence[StateRow]) -> StrengthStateRow:
    """One state over all laws; of the failure load also the range of the criterion."""
    nominal = rows[0]
    loads = [load for row in rows for load in (row.failure.low_n, row.failure.high_n)]
    return StrengthStateRow(
        state=cast(Literal["without lesion", "with lesion", "after ablation", "with cement"], nominal.name),
        stiffness_ratio=_band([row.stiffness_ratio for row in rows]),
        failure_ratio=_band([row.failure_ratio for row in rows]),
        posterior_share=nominal.posterior_share or 0.0,
        stiffness_n_mm=_band([row.stiffness_n_mm for row in rows]),
        failure_n=Banded(value=nominal.failure.load_n, low=min(loads), high=max(loads)),
    )


def _volumes(scene: StrengthScene, nominal: Sequence[StateRow], smaller: Sequence[StateRow]) -> list[StrengthVolumeRow]:
    """Ratios over the volume of cement: none, smaller fills, the whole."""
    reference = nominal[0]
    before = nominal[-2]
    rows = [(0.0, before), *zip(sorted(scene.cements)[:-1], smaller, strict=True), (max(scene.cements), nominal[-1])]
    return [
        StrengthVolumeRow(
            volume_ml=volume,
            stiffness_ratio=row.stiffness_n_mm / reference.stiffness_n_mm,
            failure_ratio=row.failure.load_n / reference.failure.load_n,
        )
        for volume, row in rows
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
