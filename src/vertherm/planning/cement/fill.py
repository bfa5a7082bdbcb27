"""The fill of one target as rows: samples run, volume chosen, leakage, pressure, stop rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.leakage import (
    FillShared,
    InjectionPlan,
    SampleFill,
    capacity_ml,
    onset_ml,
    run_sample,
    run_samples,
    volumes_ml,
)
from vertherm.cement.rules import CementRules
from vertherm.cement.spread import FlowSample, nominal_sample
from vertherm.cement.vertebra import SITES, VertebraScene
from vertherm.core.errors import SolverError
from vertherm.core.progress import Progress, silent
from vertherm.ensemble.distributions import Space
from vertherm.ensemble.order_statistics import share_interval
from vertherm.materials.bone_density import flow_constant
from vertherm.planning.assessment import Banded
from vertherm.planning.cement.document import (
    NEURAL_SITES,
    CourseRow,
    FillRow,
    LeakageCurve,
    SafeFillRow,
    Site,
    SiteRow,
    StopRow,
)
from vertherm.planning.cement.endplates import endplate_rows
from vertherm.planning.cement.published import LEAKAGE
from vertherm.planning.percentiles import probability

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]
STEP_ML = 0.1
"""Volumes are proposed in such steps: nobody injects finer."""


@dataclass(frozen=True, eq=False)
class TargetFill:
    """Everything about the fill of one target.

    Args:
        scene, plan: what was filled, and how; ``plan.volume_ml`` is the largest volume looked at.
        nominal, samples: outcomes; ``failed``: samples without one.
        volume_ml: that the rest of the prediction rests on: asked for, or the largest safe one.
        asked: True where the case file gave the volume.
    """

    scene: VertebraScene
    plan: InjectionPlan
    nominal: SampleFill
    drawn: FlowSample
    samples: tuple[SampleFill, ...]
    failed: int
    volume_ml: float
    asked: bool
    safe: SafeFillRow
    stops: tuple[StopRow, ...]

    @property
    def filled(self) -> Bool:
        """Cells that hold cement in the nominal fill."""
        return np.asarray(self.nominal.arrival_ml <= self.volume_ml)

    @property
    def probability(self) -> NDArray[np.float32]:
        """Share of the samples in which a cell holds cement."""
        total = np.zeros(self.scene.grid.shape, np.float32)
        for sample in self.samples:
            total += sample.arrival_ml <= self.volume_ml
        return (total / max(len(self.samples), 1)).astype(np.float32)


def fill_target(
    scene: VertebraScene,
    plan: InjectionPlan,
    space: Space,
    rules: CementRules,
    *,
    missing: frozenset[str],
    asked_ml: float | None,
    working_to_s: float,
    samples: int,
    seed: int,
    workers: int = 0,
    address: str | None = None,
    progress: Progress = silent,
) -> TargetFill:
    """Run all samples and choose the volume.

    Raises:
        InputError: a needle's tip lies outside the bone.
        SolverError: no sample has a result.
    """
    drawn = nominal_sample(space)
    shared = FillShared(scene, plan)
    nominal = run_sample(drawn, shared)
    outcomes = run_samples(shared, space, samples, seed=seed, workers=workers, address=address, progress=progress)
    whole = tuple(cast(SampleFill, outcome.value) for outcome in outcomes if not outcome.failed)
    if not whole:
        raise SolverError("No sample of the fill has a result.", got=outcomes[0].error if outcomes else "no samples")
    safe = safe_fill(whole, len(outcomes) - len(whole), plan, rules, missing)
    stops = stop_rows(nominal, plan, rules, safe, working_to_s)
    volume = asked_ml if asked_ml is not None else _proposed(stops, plan)
    return TargetFill(
        scene, plan, nominal, drawn, whole, len(outcomes) - len(whole), volume, asked_ml is not None, safe, stops
    )


def safe_fill(
    samples: Sequence[SampleFill], failed: int, plan: InjectionPlan, rules: CementRules, missing: frozenset[str]
) -> SafeFillRow:
    """The largest volume up to which the upper end of every site's interval keeps its limit."""
    curve = leakage_curve(samples, failed, plan, {})
    limits = {site: limit for site, limit in rules.leakage_limits.items() if site not in missing}
    last, binds = len(curve.volume_ml) - 1, ""
    for site, limit in limits.items():
        beyond = np.flatnonzero(np.array(curve.high[site]) > limit)
        if beyond.size and beyond[0] - 1 < last:
            last, binds = int(beyond[0]) - 1, site
    volume = np.floor(curve.volume_ml[max(last, 0)] / STEP_ML + 1e-9) * STEP_ML
    none = share_interval(failed, len(samples) + failed)[1]
    enough = all(none <= limit for limit in limits.values())
    if binds and none > limits[binds]:
        words = (
            f"{len(samples) + failed} samples show no probability below {none:.0%} at all, and {limits[binds]:.0%}"
            f" is asked for at the {binds}: run more samples."
        )
    elif binds:
        words = (
            f"Up to {volume:.1f} ml; beyond, cement in the {binds} is no longer unlikely enough ({limits[binds]:.0%})."
        )
    else:
        words = f"Up to {volume:.1f} ml, the largest volume looked at, every limit holds."
    return SafeFillRow(volume_ml=float(volume), binds=binds, limits=limits, enough=enough, words=words)


def stop_rows(
    nominal: SampleFill, plan: InjectionPlan, rules: CementRules, safe: SafeFillRow, working_to_s: float
) -> tuple[StopRow, ...]:
    """Every rule that ends an injection, and where it does."""
    at = volumes_ml(plan)

    def row(rule: str, volume: float | None, words: str) -> StopRow:
        when = None if volume is None else plan.start_s + volume / plan.rate_ml_s
        return StopRow(rule=rule, volume_ml=volume, since_mixing_s=when, words=words)  # type: ignore[arg-type]

    set_by = max((working_to_s - plan.start_s) * plan.rate_ml_s, 0.0)
    over = np.flatnonzero(np.nan_to_num(nominal.pressure_mpa, nan=0.0) > rules.pressure_stop_mpa)
    pressed = float(at[max(over[0] - 1, 0)]) if over.size else None
    full = nominal.reached_ml if nominal.reached_ml < plan.volume_ml - 1e-6 else None
    return (
        row("leakage", safe.volume_ml if safe.binds and safe.enough else None, safe.words),
        row(
            "working time",
            float(set_by) if set_by < plan.volume_ml else None,
            f"The cement can be worked until {working_to_s / 60:.0f} min after mixing.",
        ),
        row(
            "pressure",
            pressed,
            f"The pump needs more than {rules.pressure_stop_mpa:g} MPa from here on."
            if pressed is not None
            else f"The pump stays below {rules.pressure_stop_mpa:g} MPa.",
        ),
        row("capacity", full, "No room that cement can reach is left." if full is not None else "There is room."),
    )


def _proposed(stops: Sequence[StopRow], plan: InjectionPlan) -> float:
    """The smallest volume at which a rule ends the injection, in steps; at least one step."""
    ends = [stop.volume_ml for stop in stops if stop.volume_ml is not None]
    volume = min([plan.volume_ml, *ends])
    return max(float(np.floor(volume / STEP_ML + 1e-9) * STEP_ML), STEP_ML)


def leakage_curve(
    samples: Sequence[SampleFill], failed: int, plan: InjectionPlan, distance: dict[str, list[float | None]]
) -> LeakageCurve:
    """Share of the samples with cement at each site over the injected volume, with exact intervals."""
    at, visible = volumes_ml(plan), flow_constant("leak_volume").value
    there = np.array([sample.site_ml >= visible for sample in samples])  # (samples, sites, volumes)
    by_name = {site: there[:, n] for n, site in enumerate(SITES)}
    by_name["neural"] = np.asarray(np.any([by_name[site] for site in NEURAL_SITES], axis=0))
    by_name["any"] = np.asarray(there.any(axis=1))
    total = len(samples) + failed
    shares, low, high = {}, {}, {}
    for name, seen in by_name.items():
        events = seen.sum(axis=0)
        shares[name] = [float(count / len(samples)) for count in events]
        # A failed sample may have leaked or not: the interval covers both.
        low[name] = [share_interval(int(count), total)[0] for count in events]
        high[name] = [share_interval(int(count) + failed, total)[1] for count in events]
    return LeakageCurve(
        volume_ml=[float(v) for v in at],
        probability=shares,
        low=low,
        high=high,
        distance_mm=distance,
        published=LEAKAGE,
    )


def site_rows(found: TargetFill, derived: frozenset[str], missing: frozenset[str]) -> list[SiteRow]:
    """Leakage by site at the chosen volume."""
    onset = onset_ml(found.nominal, found.plan)
    distance = distances_mm(found)
    place = _place(found)
    visible = flow_constant("leak_volume").value
    rows = []
    for n, site in enumerate(SITES):
        if site in missing:
            continue
        share = probability([bool(s.site_ml[n, place] >= visible) for s in found.samples], found.failed)
        assert share is not None
        at = onset[site]
        rows.append(
            SiteRow(
                site=cast(Site, site),
                onset_ml=at if np.isfinite(at) else None,
                distance_mm=distance[site][place] if site in distance else None,
                probability=share,
                derived=site in derived,
            )
        )
    return rows


def distances_mm(found: TargetFill) -> dict[str, list[float | None]]:
    """Smallest distance from the nominal cement to each site over the injected volume."""
    from scipy import ndimage

    scene, at = found.scene, volumes_ml(found.plan)
    sites = scene.sites
    arrival = found.nominal.arrival_ml.astype(np.float32)
    cells = np.isfinite(arrival)
    order = np.argsort(arrival[cells], kind="stable")
    when = arrival[cells][order]
    out: dict[str, list[float | None]] = {}
    for n, site in enumerate(SITES, 1):
        if not (sites == n).any():
            continue
        away = ndimage.distance_transform_edt(sites != n, sampling=scene.spacing_mm)
        nearest = np.minimum.accumulate(away[cells][order])
        upto = np.searchsorted(when, at, side="right") - 1
        # From surface to surface: half a cell on either side.
        out[site] = [None if i < 0 else max(float(nearest[i]) - scene.spacing_mm, 0.0) for i in upto]
    return out


def fill_row(found: TargetFill) -> FillRow:
    """How much of lesion and body is filled, on which side, and how near to the endplates."""
    scene, nominal, place = found.scene, found.nominal, _place(found)
    samples = found.samples
    return FillRow(
        injected_ml=found.volume_ml,
        in_bone_ml=_band(float(nominal.bone_ml[place]), [float(s.bone_ml[place]) for s in samples]),
        leaked_ml=_band(float(nominal.site_ml[:, place].sum()), [float(s.site_ml[:, place].sum()) for s in samples]),
        lesion_share=_shares(found, scene.lesion, scene.lesion),
        body_share=_shares(found, scene.body, scene.body),
        left_share=_band(left_share(found, found.nominal), list(left_shares(found))),
        endplates=endplate_rows(scene, found.filled),
        capacity_ml=capacity_ml(scene, found.drawn),
    )


def course_row(found: TargetFill) -> CourseRow:
    """Viscosity and pressure while the chosen volume goes in."""
    plan = found.plan
    at = volumes_ml(plan)
    kept = at <= found.volume_ml + 1e-9
    when = plan.start_s + at[kept] / plan.rate_ml_s
    pressures = np.array([sample.pressure_mpa[kept] for sample in found.samples])
    low, high = np.nanpercentile(pressures, [5, 95], axis=0)
    return CourseRow(
        since_mixing_s=when.tolist(),
        volume_ml=at[kept].tolist(),
        viscosity_pa_s=[float(plan.viscosity_pa_s(float(t))) for t in when],
        pressure_mpa=np.nan_to_num(found.nominal.pressure_mpa[kept]).tolist(),
        pressure_low_mpa=np.nan_to_num(low).tolist(),
        pressure_high_mpa=np.nan_to_num(high).tolist(),
    )


def _place(found: TargetFill) -> int:
    """Place of the chosen volume among those at which curves are read."""
    at = volumes_ml(found.plan)
    # The next volume of the curves, never a smaller one: a probability read too low would clear too much.
    return min(int(np.searchsorted(at, found.volume_ml - 1e-9)), at.size - 1)


def _band(value: float, values: Sequence[float]) -> Banded:
    """The nominal value with the 5th and 95th percentile of the samples."""
    low, high = np.percentile(values, [5, 95])
    return Banded(value=value, low=float(min(low, value)), high=float(max(high, value)))


def _shares(found: TargetFill, part: Bool, of: Bool) -> Banded:
    size = max(int(of.sum()), 1)

    def share(sample: SampleFill) -> float:
        return float((sample.arrival_ml[part] <= found.volume_ml).sum()) / size

    return _band(share(found.nominal), [share(sample) for sample in found.samples])


def left_share(found: TargetFill, sample: SampleFill) -> float:
    """Share of a fill's cement in the body, at the chosen volume, on the patient's left of the body's middle."""
    return share_on_left(found.scene, sample.arrival_ml <= found.volume_ml)


def left_shares(found: TargetFill) -> Array:
    """:func:`left_share` of every sample."""
    return np.array([left_share(found, sample) for sample in found.samples])


def share_on_left(scene: VertebraScene, cement: Bool) -> float:
    """Share of the cement in the body on the patient's left of its middle; a half where there is none."""
    points = scene.grid.world(np.argwhere(cement & scene.body))
    if not len(points):
        return 0.5
    if scene.frame is not None:
        return float(((points - scene.frame.centre_mm) @ scene.frame.right < 0).mean())
    middle = scene.grid.world(np.argwhere(scene.body)).mean(axis=0)
    return float((points[:, 0] < middle[0]).mean())
