"""One member: run it, then measure structures, zones and lesions. This is what a worker process does."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import SolverError
from vertherm.geometry.margins import ablation_margin
from vertherm.geometry.surface import enclosed_volume_ml, zone_axes
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.heat.coupling import run_member
from vertherm.heat.member import Member
from vertherm.heat.result import FAILED, ThermalResult
from vertherm.heat.setup import Setup
from vertherm.materials.constants import constants
from vertherm.planning.outcome import CoverageOutcome, MemberOutcome, StructureOutcome, ZoneOutcome
from vertherm.planning.protocol import Protocol

HEATED_C = 43.0
"""Cells beyond the image this warm matter."""
BESIDE_SHAFT_MM = 12.0


@dataclass(frozen=True, eq=False)
class LesionOnGrid:
    """A lesion mask on its own grid, with the target's name."""

    name: str
    mask: Volume


def evaluate(
    setup: Setup, member: Member, protocol: Protocol, lesions: tuple[LesionOnGrid, ...], *, threads: int = 1
) -> MemberOutcome:
    """Run one member and measure what it did; one that fails says so and does not stop the others."""
    try:
        result = run_member(setup, member, threads=threads)
    except (SolverError, MemoryError) as error:
        return failed_outcome(setup, member, protocol, lesions, f"{FAILED}: {str(error).splitlines()[0]}")
    start = time.perf_counter()
    fields = {"peak_c": result.peak_c, "cem43_min": result.cem43_min, "omega": result.omega}
    zones: dict[str, ZoneOutcome] = {}
    coverage: dict[str, dict[str, CoverageOutcome]] = {lesion.name: {} for lesion in lesions}
    for metric in protocol.metrics:
        field, level = zone_field(fields[metric.field], metric.field, metric.level)
        volume = Volume(field, setup.tissue.grid)
        zones[metric.id] = _zone(volume, level, setup.first.trajectory.axis)
        for lesion in lesions:
            coverage[lesion.name][metric.id] = _coverage(lesion.mask, volume, level)
    statistics = {**result.statistics, "measure_s": time.perf_counter() - start}
    return MemberOutcome(
        member=member,
        structures=_structures(setup, result),
        zones=zones,
        coverage=coverage,
        fields=fields,
        time_s=result.curves["time_s"],
        curves={name: curve for name, curve in result.curves.items() if name != "time_s"},
        power=result.power,
        ledger=_ledger(result.energy),
        status=result.status,
        statistics=statistics,
        hottest_c=float(result.peak_c.max()),
        edge_c=edge_c(setup, result.peak_c),
        beyond=result.peak_c[setup.tissue.outside_image] >= HEATED_C,
    )


def edge_c(setup: Setup, peak_c: NDArray[np.float32]) -> float:
    """Hottest outermost cell: the outer faces are held at 37 degC, so a warm one means that the grid is too small.

    Cells beside a shaft do not count: where it leaves the grid it is warm, and a larger grid would not change that.
    """
    edge = np.ones(setup.tissue.grid.shape, bool)
    edge[1:-1, 1:-1, 1:-1] = False
    points = setup.tissue.grid.world(np.argwhere(edge))
    radii = [emitter.trajectory.cylindrical_mm(points)[0] for emitter in setup.emitters]
    away = np.minimum.reduce(radii) > BESIDE_SHAFT_MM
    return float(peak_c[edge][away].max()) if away.any() else setup.body_c


def failed_outcome(
    setup: Setup, member: Member, protocol: Protocol, lesions: tuple[LesionOnGrid, ...], status: str
) -> MemberOutcome:
    """The outcome of a member without a result: nothing is covered, nothing is assessed."""
    body = constants("body_temperature").value
    shape, none = setup.tissue.grid.shape, np.zeros(1)
    fields = {name: np.zeros(shape, np.float32) for name in ("cem43_min", "omega")}
    names = ("time_s", "duration_s", "forward_w", "net_w", "absorbed_w", "reflection_db")
    ledger = ("source_j", "stored_j", "perfusion_j", "boundary_j", "held_j", "shaft_j", "error", "irrigation_j")
    return MemberOutcome(
        member=member,
        structures={name: StructureOutcome(body, 0.0, 0.0, body) for name in setup.tracked},
        zones={metric.id: ZoneOutcome(0.0, 0.0, 0.0) for metric in protocol.metrics},
        coverage={
            lesion.name: {metric.id: CoverageOutcome(0.0, None, None) for metric in protocol.metrics}
            for lesion in lesions
        },
        fields={"peak_c": np.full(shape, body, np.float32), **fields},
        time_s=none,
        curves={},
        power=dict.fromkeys(names, none),
        ledger=_ledger(dict.fromkeys(ledger, 0.0)),
        status=status,
        statistics={},
        hottest_c=body,
        edge_c=body,
        beyond=np.zeros(int(np.count_nonzero(setup.tissue.outside_image)), bool),
    )


def zone_field(field: NDArray[np.float32], quantity: str, level: float) -> tuple[NDArray[np.float32], float]:
    """The field and level whose surface is the zone, on a scale that is nearly linear in space.

    Dose and damage grow exponentially with temperature; linear interpolation between cells would pull their surface
    outwards by a good part of a cell. Their logarithm is as smooth as the temperature.
    """
    if quantity == "peak_c":
        return field, level
    floor = level * 1e-12
    return np.log(np.clip(field, floor, level * 1e12)).astype(np.float32), float(np.log(level))


def _zone(field: Volume, level: float, axis: FloatArray) -> ZoneOutcome:
    volume = enclosed_volume_ml(field, level)
    if volume <= 0.0:
        return ZoneOutcome(0.0, 0.0, 0.0)
    axes = zone_axes(field, level, axis)
    return ZoneOutcome(volume, axes.long_mm, axes.short_mm)


def _coverage(mask: Volume, field: Volume, level: float) -> CoverageOutcome:
    margin = ablation_margin(mask, field, level)
    if margin.zone_empty:
        return CoverageOutcome(0.0, None, None)
    return CoverageOutcome(margin.coverage, margin.minimum_mm, margin.error_mm)


def _structures(setup: Setup, result: ThermalResult) -> dict[str, StructureOutcome]:
    found = {}
    body = constants("body_temperature").value
    for name in setup.tracked:
        peak = result.structures.get(name)
        if peak is None:
            # Labelled, but wholly beyond the heated crop, whose faces stay at body temperature.
            found[name] = StructureOutcome(body, 0.0, 0.0, body)
        else:
            found[name] = StructureOutcome(
                peak.peak_c, peak.cem43_min, peak.peak_time_s, min(body, result.lowest_c[name])
            )
    return found


def _ledger(energy: dict[str, float]) -> dict[str, float]:
    return {
        "delivered_j": energy["source_j"],
        "stored_j": energy["stored_j"],
        "perfusion_j": energy["perfusion_j"],
        "boundary_j": energy["boundary_j"],
        "sinks_j": energy["held_j"],
        "shaft_j": energy["shaft_j"],
        "error": energy["error"],
        "irrigation_j": energy["irrigation_j"],
    }
