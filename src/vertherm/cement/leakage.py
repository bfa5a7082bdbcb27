"""Where cement goes in every sample, and how likely it reaches canal, foramen, veins, disc and what lies beside.

One run of a sample answers for every volume up to the largest one: the injected volume at which cement arrives in each
cell is kept. Probabilities are shares of samples with exact intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.front import Filling, Injection, fill
from vertherm.cement.spread import FlowSample
from vertherm.cement.vertebra import SITES, VertebraScene, opening_cells, porous_medium
from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.ensemble.distributions import Space
from vertherm.ensemble.runner import Outcome, run
from vertherm.ensemble.sampling import unit_points
from vertherm.geometry.volume import FloatArray
from vertherm.materials.bone_density import flow_constant

Array = NDArray[np.float64]
Field = NDArray[np.float32]
STEPS = 101
"""Volumes at which curves are read, 0 and the largest one included."""
OPENING_MM = 1.6
"""Cells this near to the tip touch the needle's opening: about the radius of a cannula."""


@dataclass(frozen=True, eq=False)
class Needle:
    """A cannula that cement comes out of.

    Args:
        tip_mm: RAS.
        share: of the volume; the first needle gives all of its own before the next begins.
        radius_mm, length_mm: inner radius and length, for the pressure that the cannula takes.
    """

    tip_mm: FloatArray
    share: float
    radius_mm: float
    length_mm: float


@dataclass(frozen=True, eq=False)
class InjectionPlan:
    """How cement is injected.

    Args:
        needles: in the order in which they are used; shares add to 1.
        volume_ml: largest volume looked at, all needles together.
        rate_ml_s: rate.
        start_s: since mixing.
        viscosity_pa_s: of seconds since mixing.
    """

    needles: tuple[Needle, ...]
    volume_ml: float
    rate_ml_s: float
    start_s: float
    viscosity_pa_s: Callable[[float], float]


@dataclass(frozen=True, eq=False)
class FillShared:
    """What all samples need."""

    scene: VertebraScene
    plan: InjectionPlan


@dataclass(frozen=True, eq=False)
class SampleFill:
    """What one sample leaves.

    Args:
        arrival_ml: (nx, ny, nz) float16, injected volume at which cement fills half of the cell's pores; inf: never.
        site_ml: (sites, STEPS) volume of cement beyond the bone by site, over the injected volume.
        bone_ml: (STEPS,) volume of cement within the bone.
        pressure_mpa: (STEPS,) at the pump; nan where the injection had ended.
        reached_ml: volume that went in.
    """

    arrival_ml: NDArray[np.float16]
    site_ml: Array
    bone_ml: Array
    pressure_mpa: Array
    reached_ml: float


def volumes_ml(plan: InjectionPlan) -> Array:
    """The volumes at which curves are read, (STEPS,)."""
    return np.linspace(0.0, plan.volume_ml, STEPS)


def run_sample(sample: FlowSample, shared: FillShared) -> SampleFill:
    """Fill one sample with the largest volume looked at.

    Raises:
        InputError: a tip lies where nothing can flow.
    """
    scene, plan = shared.scene, shared.plan
    medium = porous_medium(scene, sample)
    arrival = np.full(scene.grid.shape, np.inf, np.float32)
    saturation = np.zeros(scene.grid.shape, np.float32)
    done, pressures = 0.0, []
    occupied: NDArray[np.bool_] | None = None
    for needle in plan.needles:
        filling = _fill_one(scene, plan, medium.porosity, medium.permeability_m2, needle, sample, done, occupied)
        fresh = np.isfinite(filling.arrival_ml) & ~np.isfinite(arrival)
        arrival[fresh] = filling.arrival_ml[fresh] + np.float32(done)
        saturation = np.maximum(saturation, filling.saturation)
        pressures.append(_at_pump(filling, needle, plan, sample, done))
        done += float(filling.injected_ml[-1]) if filling.injected_ml.size else 0.0
        occupied = saturation >= 0.5
    at = volumes_ml(plan)
    cell_ml = scene.spacing_mm**3 / 1000.0
    held = medium.porosity * cell_ml
    site_ml, bone_ml = _over_volume(arrival, held, scene.sites, at)
    return SampleFill(arrival.astype(np.float16), site_ml, bone_ml, _joined(pressures, at), done)


def run_samples(
    shared: FillShared,
    space: Space,
    samples: int,
    *,
    seed: int = 0,
    workers: int = 0,
    address: str | None = None,
    progress: Progress = silent,
) -> list[Outcome]:
    """Independent samples of where cement goes; a failed one has no value (see :class:`Outcome`)."""
    points = unit_points(samples, len(space.parameters), seed)
    tasks = [FlowSample.of(space.sample(point)) for point in points]
    return run(run_sample, tasks, shared=shared, workers=workers, address=address, progress=progress, label="fill")


def onset_ml(fill_: SampleFill, plan: InjectionPlan) -> dict[str, float]:
    """Injected volume at which each site holds a visible leak; inf: not within the volumes looked at."""
    visible, at = flow_constant("leak_volume").value, volumes_ml(plan)
    found = {}
    for name, course in zip(SITES, fill_.site_ml, strict=True):
        reached = np.flatnonzero(course >= visible)
        found[name] = float(at[reached[0]]) if reached.size else float("inf")
    return found


def capacity_ml(scene: VertebraScene, sample: FlowSample) -> float:
    """Pore space within the bone that cement could take."""
    pores = porous_medium(scene, sample).porosity
    return float(pores[scene.bone].sum()) * scene.spacing_mm**3 / 1000.0


def _fill_one(
    scene: VertebraScene,
    plan: InjectionPlan,
    pores: Field,
    permeability: Field,
    needle: Needle,
    sample: FlowSample,
    done_ml: float,
    occupied: NDArray[np.bool_] | None,
) -> Filling:
    start = plan.start_s + done_ml / plan.rate_ml_s
    tip = np.asarray(needle.tip_mm, float) + np.asarray(sample.tip_mm)
    openings = opening_cells(scene, tip, OPENING_MM)
    usable = ((permeability > 0) & (scene.bone | scene.lesion)).reshape(-1)
    free = usable[openings]
    if free.any() and occupied is not None and occupied.reshape(-1)[openings[free]].all():
        # The cement of a needle before lies around this one: it comes out where there is room next to it.
        openings = _nearest(scene, tip, usable & ~occupied.reshape(-1))
        free = np.ones(openings.size, bool)
    if not free.any():
        raise InputError(
            "A needle's opening lies outside the bone.",
            where="cement needle",
            got=f"RAS {np.round(tip, 1).tolist()} mm",
            expected="a tip in the vertebra",
            advice="check the coordinates and their frame (RAS or LPS)",
        )
    injection = Injection(
        rate_ml_s=plan.rate_ml_s,
        volume_ml=needle.share * plan.volume_ml,
        viscosity_pa_s=lambda t: plan.viscosity_pa_s(start + t) * sample.viscosity_factor,
        marrow_viscosity_pa_s=sample.marrow_viscosity_pa_s,
        drainage_mm=sample.drainage_mm,
    )
    return fill(pores, permeability, scene.spacing_mm, openings[free], injection, occupied=occupied)


def _nearest(scene: VertebraScene, tip_mm: FloatArray, usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The usable cells nearest to a tip, within half a cell of each other in distance; none: empty."""
    cells = np.flatnonzero(usable)
    if not cells.size:
        return cells
    points = scene.grid.world(np.stack(np.unravel_index(cells, scene.grid.shape), axis=-1))
    away = np.linalg.norm(points - tip_mm, axis=-1)
    return cells[away <= away.min() + 0.5 * scene.spacing_mm]


def cannula_mpa(viscosity_pa_s: float, rate_ml_s: float, radius_mm: float, length_mm: float) -> float:
    """Pressure that a cannula takes, by Poiseuille's law: 8 mu L Q / (pi r^4); cement shears thinner, so at most."""
    factor = flow_constant("opening_loss").value
    return factor * 8.0 * viscosity_pa_s * length_mm * rate_ml_s * 1e3 / (np.pi * radius_mm**4) * 1e-6


def _at_pump(
    filling: Filling, needle: Needle, plan: InjectionPlan, sample: FlowSample, done_ml: float
) -> tuple[Array, Array]:
    volume = filling.injected_ml + done_ml
    viscosity = [plan.viscosity_pa_s(plan.start_s + v / plan.rate_ml_s) * sample.viscosity_factor for v in volume]
    own = np.array([cannula_mpa(mu, plan.rate_ml_s, needle.radius_mm, needle.length_mm) for mu in viscosity])
    return volume, filling.pressure_pa * 1e-6 + own


def _joined(parts: Sequence[tuple[Array, Array]], at: Array) -> Array:
    volume = np.concatenate([part[0] for part in parts])
    pressure = np.concatenate([part[1] for part in parts])
    if not volume.size:
        return np.full(at.shape, np.nan)
    found = np.interp(at, volume, pressure)
    return np.where(at <= volume[-1] + 1e-9, found, np.nan)


def _over_volume(arrival: Field, held_ml: Field, sites: NDArray[np.uint8], at: Array) -> tuple[Array, Array]:
    """Cement by site and within the bone, over the injected volume."""
    in_time = np.isfinite(arrival)
    # A cell that cement half fills at some volume counts from there on.
    place = np.searchsorted(at, arrival[in_time], side="left")
    table = np.zeros((len(SITES) + 1, at.size + 1))
    np.add.at(table, (sites[in_time], np.minimum(place, at.size)), held_ml[in_time])
    course = np.cumsum(table, axis=1)[:, :-1]
    return course[1:], course[0]
