"""A made-up assessment and scene for the report's tests: an analytic torso, a Gaussian heat spot, plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import Structure, StructureKind
from vertherm.planning.assessment import (
    Assessment,
    Assumption,
    Banded,
    EnergyBalance,
    PowerRow,
    StructureRow,
    TargetMetricRow,
    TargetRow,
    TreatmentRow,
    ZoneRow,
)
from vertherm.planning.scene import Curve, Needle, Scene, ZoneField

TARGET = np.array([4.0, 6.0, 0.0])
TIP = np.array([2.0, 12.0, 0.0])
ENTRY = np.array([38.0, -62.0, 6.0])


def ct_grid(
    order: tuple[int, int, int] = (0, 1, 2), flips: tuple[int, int, int] = (1, 1, 1), spacing: float = 1.5
) -> Grid:
    """A 140 x 150 x 90 mm grid around the origin, stored in any order and direction."""
    size = np.array([140.0, 150.0, 90.0])
    shape = np.rint(size / spacing).astype(int)
    affine = np.eye(4)
    for axis, world in enumerate(order):
        column = np.zeros(3)
        column[world] = spacing * flips[axis]
        affine[:3, axis] = column
    stored = tuple(int(shape[world]) for world in order)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(stored) - 1) / 2) + np.array([0.0, 0.0, 0.0])
    return Grid(stored, affine)  # type: ignore[arg-type]


def _inside(
    p: NDArray[Any], centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> NDArray[np.bool_]:
    return (((p - np.array(centre)) / np.array(radii)) ** 2).sum(-1) <= 1.0


def _ct(p: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
    hu = np.full(p.shape[:-1], -1000.0)
    hu[_inside(p, (0, 5, 0), (66, 60, 400))] = -100.0
    hu[_inside(p, (0, 5, 0), (60, 54, 400))] = 50.0
    body = (np.hypot(p[..., 0] / 24, (p[..., 1] - 8) / 17) <= 1) & (np.abs(p[..., 2]) < 14)
    shell = (np.hypot(p[..., 0] / 22.5, (p[..., 1] - 8) / 15.5) > 1) | (np.abs(p[..., 2]) > 12.5)
    hu[body] = 230.0
    hu[body & shell] = 900.0
    arch = (
        (np.hypot(p[..., 0], p[..., 1] + 18) < 15)
        & (np.hypot(p[..., 0] / 1.3, p[..., 1] + 17) > 9)
        & (p[..., 2] > -8)
        & (p[..., 2] < 9)
    )
    hu[arch] = 700.0
    hu[(np.abs(p[..., 0]) < 3) & (p[..., 1] < -28) & (p[..., 1] > -48) & (np.abs(p[..., 2]) < 8)] = 600.0
    hu[_inside(p, tuple(TARGET), (9, 8, 8))] = 45.0
    # The liver-like bright organ lies on the patient's right (+x): the eye and the test use it.
    hu[_inside(p, (45, 25, 10), (12, 14, 25))] = 320.0
    return (hu + rng.normal(0, 18, hu.shape)).astype(np.float32)


def _structure(
    name: str, kind: StructureKind, grid: Grid, mask: NDArray[np.bool_], *, derived: bool = False
) -> Structure:
    side = "left" if name.endswith("left") else "right" if name.endswith("right") else ""
    return Structure(name, kind, Volume(mask, grid), derived, "fabricated", None, side)  # type: ignore[arg-type]


def scene(grid: Grid | None = None, *, mr: bool = False) -> Scene:
    """The scene; its anatomy is the same whatever grid it is stored on."""
    grid = ct_grid() if grid is None else grid
    p = grid.centres()
    body = _inside(p, (0, 5, 0), (66, 60, 400))
    structures = [
        _structure("skin", StructureKind.skin, grid, body & ~_inside(p, (0, 5, 0), (63.5, 57.5, 400)), derived=True),
        _structure("dural sac", StructureKind.dural_sac, grid, np.hypot(p[..., 0] / 1.3, p[..., 1] + 17) < 7.5),
        _structure("aorta", StructureKind.vessel, grid, np.hypot(p[..., 0] + 8, p[..., 1] - 36) < 8),
    ]
    for side, sign in (("left", -1), ("right", 1)):
        root = (np.hypot(p[..., 1] + 12, p[..., 2] + 8) < 3) & (p[..., 0] * sign > 11) & (p[..., 0] * sign < 30)
        structures.append(_structure(f"root L3 {side}", StructureKind.root, grid, root, derived=True))
    heat = Grid.isotropic(TARGET - 42, TARGET + 42, 1.5)
    needle = Trajectory(ENTRY, TIP)
    r, z = needle.cylindrical_mm(heat.centres())
    shape = np.exp(-0.5 * ((r / 8.0) ** 2 + ((z - 10) / 10.0) ** 2))
    peak = (37 + 75 * shape).astype(np.float32)
    zones = []
    for metric, label, level in (
        ("isotherm_50", "50 °C isotherm", 50.0),
        ("isotherm_54", "54 °C isotherm", 54.0),
        ("isotherm_60", "60 °C isotherm", 60.0),
    ):
        nominal = Volume(peak, heat)
        small, large = ((37 + f * 75 * shape).astype(np.float32) for f in (0.75, 1.3))
        zones.append(ZoneField(metric, label, level, nominal, Volume(small, heat), Volume(large, heat)))
    time = np.linspace(0, 900, 200)
    rise = np.where(time < 270, 1 - np.exp(-time / 160), (1 - np.exp(-270 / 160)) * np.exp(-(time - 270) / 260))
    curves = []
    for name, kind, amplitude in (
        ("root L3 left", "root", 4.0),
        ("root L3 right", "root", 11.0),
        ("dural sac", "dural sac", 7.0),
        ("skin", "skin", 1.0),
        ("aorta", "vessel", 2.0),
    ):
        curves.append(
            Curve(
                name,
                kind,
                time,
                37 + amplitude * rise,
                37 + 0.7 * amplitude * rise,
                37 + 1.6 * amplitude * rise,
                43.0,
                45.0,
            )
        )
    power_time = np.linspace(0, 275, 150)
    on = np.where(power_time < 270, 1.0, 0.0)
    power = {
        "forward_w": 15.2 * on,
        "net_w": (14.9 - power_time / 60) * on,
        "absorbed_w": (14.0 - power_time / 60) * on,
    }
    ct = Volume(_ct(p, np.random.default_rng(1)), grid)
    return Scene(
        ct=ct,
        lesions={"lesion": Volume(_inside(p, tuple(TARGET), (9, 8, 8)), grid)},
        structures=tuple(structures),
        needles=(Needle("antenna 1", needle, 0.9),),
        peak_c=Volume(peak, heat),
        zones=tuple(zones),
        curves=tuple(curves),
        power_time_s=power_time,
        power_w=power,
        activations_s=((0.0, 270.0),),
        focus_mm=TARGET,
        mr=Volume(np.abs(ct.data), grid) if mr else None,
    )


def assessment(**changes: Any) -> Assessment:
    """The assessment; keyword arguments replace its fields."""
    rows = [
        _row(
            "root L3 right",
            "root",
            "stop",
            48.0,
            54.6,
            "derived root reaches 54.6 °C, above the stop limit of 45 °C",
            derived=True,
            sar=3.0,
        ),
        _row("dural sac", "dural sac", "stop", 44.0, 48.2, "48.2 °C in the worst variant, above 45 °C", sar=3.0),
        _row(
            "root L3 left",
            "root",
            "warn",
            41.0,
            43.4,
            "43.4 °C in the worst variant, above 43 °C",
            derived=True,
            sar=3.0,
        ),
        _row("skin", "skin", "green", 37.4, 38.1, "stays 4.9 K below its warning limit", derived=True),
        _row("aorta", "vessel", "green", 38.0, 39.2, "stays below its limits"),
    ]
    rows.append(
        StructureRow(
            name="root L4 right",
            kind="root",
            required=True,
            derived=False,
            peak_temperature_c=None,
            cem43_min=None,
            peak_time_s=None,
            after_switch_off=None,
            distance_to_antenna_mm=None,
            warn="43 °C",
            stop="45 °C",
            worst_member="",
            sar_factor=3.0,
            status="not assessed",
            words="required but not labelled",
        )
    )
    members = ["water-forward", "water-net", "sigmoid-forward", "sigmoid-net"]
    values: dict[str, Any] = {
        "case": "fabricated",
        "title": "Fabricated L3 lesion",
        "level": "L3",
        "region": "lumbar",
        "notice": "Not a medical device. Do not base any decision about a patient on it.",
        "synthetic": True,
        "verdict": "stop",
        "verdict_words": "root L3 right and dural sac pass their stop limits in the worst variant.",
        "coverage_verdict": "covered",
        "treatment": TreatmentRow(
            antenna="coaxial slot",
            frequency_mhz=2450,
            entry_ras_mm=(38, -62, 6),
            tip_ras_mm=(2, 12, 0),
            insertion_mm=82.5,
            power_kind="forward",
            power_note="whether the study's 4.1 kJ are forward or net is not known; net is shown as a variant",
            activations=[{"power_w": 15.2, "time_s": 270.0, "pause_s": 0.0}],
            treatment_time_s=270,
            simulated_time_s=900,
            power=[
                PowerRow(
                    member=m,
                    forward_w=15.2,
                    net_w=14.1,
                    absorbed_w=13.5,
                    forward_kj=4.104,
                    net_kj=3.8,
                    absorbed_kj=3.64,
                    reflection_start_db=-16.7,
                    reflection_end_db=-3.7,
                )
                for m in members
            ],
        ),
        "zones": [
            ZoneRow(metric=m, label=label, volume_ml=_b(9.1, 0.6), long_axis_mm=_b(31, 0.8), short_axis_mm=_b(24, 0.8))
            for m, label in (
                ("isotherm_50", "50 °C isotherm"),
                ("isotherm_54", "54 °C isotherm"),
                ("isotherm_60", "60 °C isotherm"),
            )
        ],
        "targets": [
            TargetRow(
                name="lesion",
                level="L3",
                level_confirmed=True,
                pathology="breast",
                kind="lytic",
                volume_ml=2.41,
                deciding_metric="isotherm_50",
                status="covered",
                synthetic=True,
                metrics=[
                    TargetMetricRow(
                        metric="isotherm_50",
                        coverage=Banded(value=1, low=0.9999, high=1),
                        minimal_margin_mm=Banded(value=3.2, low=0.4, high=5.9),
                        margin_error_mm=0.5,
                    ),
                    TargetMetricRow(
                        metric="isotherm_60",
                        coverage=Banded(value=0.81, low=0.5, high=1),
                        minimal_margin_mm=None,
                        margin_error_mm=None,
                    ),
                ],
            )
        ],
        "structures": rows,
        "energy_balance": [
            EnergyBalance(
                member=m,
                delivered_j=3640,
                stored_j=2300,
                perfusion_j=900,
                boundary_j=300,
                sinks_j=0,
                shaft_j=138,
                error=0.0011,
            )
            for m in members
        ],
        "members": [
            {"name": m, "drying": m.split("-")[0], "power": m.split("-")[1], "cooling": "none", "sar_factor": 1.0}
            for m in members
        ],
        "models": {"antenna": "axisymmetric TM finite elements", "drying": "water, sigmoid"},
        "assumptions": [
            Assumption(
                name="skin convection",
                value="10 W/m²K",
                range="5 to 25",
                source="textbook",
                certainty="R",
                verified=False,
            ),
            Assumption(
                name="conductivity, muscle",
                value="1.739 S/m",
                range="",
                source="Gabriel 1996",
                certainty="S",
                verified=True,
            ),
        ],
        "notes": ["Epidural extent not assessed (no MR).", "Nerve roots are derived, not labelled."],
        "timings_s": {"electromagnetics": 2.1, "bioheat": 8.4},
        "provenance": {"version": "0.1.0", "inputs": {"ct": "sha256:" + "ab12" * 16}, "seed": 0},
    }
    return Assessment(**(values | changes))


def _b(value: float, spread: float) -> Banded:
    return Banded(value=value, low=value * spread, high=value / spread)


def _row(
    name: str, kind: str, status: str, value: float, high: float, why: str, *, derived: bool = False, sar: float = 1.0
) -> StructureRow:
    return StructureRow(
        name=name,
        kind=kind,
        required=True,
        derived=derived,
        peak_temperature_c=Banded(value=value, low=value - 2, high=high),
        cem43_min=Banded(value=2.0 ** (value - 43), low=0.1, high=2.0 ** (high - 43)),
        peak_time_s=301.0,
        after_switch_off=True,
        distance_to_antenna_mm=14.2,
        warn="43 °C or CEM43 5 min",
        stop="45 °C or CEM43 10 min",
        worst_member="sigmoid-net",
        sar_factor=sar,
        status=status,
        words=why,
        with_cooling_c=high - 1.0,  # type: ignore[arg-type]
    )
