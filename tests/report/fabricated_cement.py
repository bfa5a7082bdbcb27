"""A made-up cement prediction on the torso phantom, for the report's tests: every number by formula."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from vertherm.clinical.levels import Level
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import on_grid
from vertherm.planning.assessment import Banded, Probability, Status
from vertherm.planning.cement.document import (
    SITES,
    AssumptionRow,
    CalibrationRow,
    CementDocument,
    CementRow,
    CourseRow,
    CuringCourse,
    CuringRow,
    CuringStructureRow,
    DelayRow,
    EndplateRow,
    FillRow,
    LeakageCurve,
    MaterialRow,
    NeedleRow,
    SafeFillRow,
    SessionRow,
    SiteRow,
    StopRow,
    StrengthDistributionRow,
    StrengthRow,
    StrengthStateRow,
    StrengthVolumeRow,
    TargetCement,
)
from vertherm.planning.cement.published import CANAL_TEMPERATURE, LEAKAGE, STRENGTH
from vertherm.planning.cement.result import CementFields, CementResult
from vertherm.planning.objects import Case
from vertherm.planning.phantom import phantom_case
from vertherm.planning.sins import sins_of

ENTRY, TIP = (28.0, -60.0, 8.0), (8.0, 2.0, 1.0)
ASKED_ML = 5.0
ONSET_ML = {"canal": 7.5, "foramen": 8.5, "vein": 3.2, "disc": 5.5, "paravertebral": 6.4}


@cache
def case(orientation: str = "RAS") -> Case:
    return phantom_case("L3", spacing_mm=1.5, noise_hu=15.0, orientation=orientation)


def banded(value: float, spread: float = 0.1) -> Banded:
    return Banded(value=value, low=value * (1 - spread), high=value * (1 + spread))


def fields(of: Case | None = None) -> CementFields:
    """A ball of cement at the tip with a vein that leaks behind it."""
    where = case() if of is None else of
    anatomy, target = where.anatomy, where.targets[0]
    grid = Grid.isotropic(np.array([-38.0, -62.0, -24.0]), np.array([38.0, 28.0, 24.0]), 1.0)
    points = grid.centres()
    body = on_grid((anatomy.bodies or {})[Level.L3], grid)
    bone = on_grid(anatomy.vertebrae[Level.L3], grid)
    ball = np.linalg.norm((points - np.array(TIP)) / [1.2, 1.0, 0.9], axis=-1) <= 11.0
    vein = (np.hypot(points[..., 0] - 2.0, points[..., 2]) <= 2.5) & (points[..., 1] < 0) & (points[..., 1] > -23.0)
    fill = gaussian_filter((0.8 * (ball & bone) + 0.9 * (vein & ~(ball & bone))).astype(np.float32), 0.6)
    chance = gaussian_filter((ball & bone).astype(np.float32), 2.5) + 0.45 * gaussian_filter(vein.astype(np.float32), 1)
    sites = np.where(bone, 0, 1 + SITES.index("paravertebral")).astype(np.uint8)
    canal = on_grid(anatomy.structure("canal").mask, grid)
    sites[canal & ~bone] = 1 + SITES.index("canal")
    volume = Volume(fill, grid)
    return CementFields(
        target=target.name,
        needles={"N1": Trajectory(np.array(ENTRY), np.array(TIP))},
        body=Volume(body, grid),
        lesion=Volume(on_grid(target.mask, grid), grid),
        canal=Volume(canal & ~bone, grid),
        fill=volume,
        probability=volume.with_data(np.clip(chance, 0.0, 1.0).astype(np.float32)),
        arrival_ml=None,
        sites=volume.with_data(sites),
    )


def leakage_curve() -> LeakageCurve:
    """Logistic in the volume, with a made-up interval."""
    volume = np.linspace(0.0, 8.0, 33)
    lines = {site: 1.0 / (1.0 + np.exp(-1.4 * (volume - onset))) for site, onset in ONSET_ML.items()}
    lines["any"] = 1.0 - np.prod([1.0 - line for line in lines.values()], axis=0)
    lines["neural"] = 1.0 - (1.0 - lines["canal"]) * (1.0 - lines["foramen"])
    return LeakageCurve(
        volume_ml=volume.tolist(),
        probability={name: line.tolist() for name, line in lines.items()},
        low={name: np.clip(line - 0.08, 0, 1).tolist() for name, line in lines.items()},
        high={name: np.clip(line + 0.09, 0, 1).tolist() for name, line in lines.items()},
        distance_mm={site: [None] * len(volume) for site in SITES},
        published=LEAKAGE,
    )


def site_rows() -> list[SiteRow]:
    rows = []
    for site, onset in ONSET_ML.items():
        share = 1.0 / (1.0 + np.exp(-1.4 * (ASKED_ML - onset)))
        events = round(80 * share)
        rows.append(
            SiteRow(
                site=site,
                onset_ml=onset if onset < ASKED_ML else None,
                distance_mm=max(onset - 3.0, 0.0),
                probability=Probability(
                    events=events, samples=80, failed=0, estimate=events / 80, low=max(events / 80 - 0.07, 0.0),
                    high=min(events / 80 + 0.1, 1.0),
                ),
                derived=site in ("vein", "foramen"),
                words=f"made up: {site}",
            )
        )  # fmt: skip
    return rows


def course() -> CourseRow:
    since = np.linspace(300.0, 450.0, 40)
    volume = ASKED_ML * (since - 300.0) / 150.0
    viscosity = 60.0 * np.exp((since - 180.0) / 120.0)
    pressure = 0.0012 * viscosity * (0.4 + 0.6 * np.sqrt(np.maximum(volume, 0.01) / ASKED_ML))
    return CourseRow(
        since_mixing_s=since.tolist(),
        volume_ml=volume.tolist(),
        viscosity_pa_s=viscosity.tolist(),
        pressure_mpa=pressure.tolist(),
        pressure_low_mpa=(0.6 * pressure).tolist(),
        pressure_high_mpa=(1.7 * pressure).tolist(),
    )


def curing() -> CuringRow:
    time = np.linspace(0.0, 1500.0, 76)
    structures: list[CuringStructureRow] = []
    courses = []
    known: tuple[tuple[str, str, float, float, Status], ...] = (
        ("dural sac", "dural sac", 5.0, 40.2, "warn"),
        ("root L3 right", "root", 3.0, 39.1, "green"),
        ("root L3 left", "root", 1.0, 38.0, "green"),
    )
    for name, kind, rise, ablation, status in known:
        structures.append(
            CuringStructureRow(
                name=name, kind=kind, ablation_peak_c=ablation, ablation_cem43_min=0.4,
                curing_peak_c=Banded(value=37 + rise, low=37 + 0.5 * rise, high=37 + 1.5 * rise),
                curing_cem43_min=Banded(value=0.8, low=0.05, high=6.0),
                combined_peak_c=Banded(value=37.6 + rise, low=37.4 + 0.5 * rise, high=38.0 + 1.6 * rise),
                combined_cem43_min=Banded(value=1.4, low=0.4, high=8.0),
                warn_words="43 °C or CEM43 2 min", stop_words="45 °C or CEM43 10 min", status=status,
            )
        )  # fmt: skip
    for variant, factor, delay in (
        ("nominal", 1.0, 420.0),
        ("fast kinetics", 1.4, 250.0),
        ("from body heat", 0.9, 460.0),
    ):
        heat = factor * (time / delay) * np.exp(1.0 - time / delay)
        lines = {name: (37.0 + rise * heat).tolist() for name, _, rise, _, _ in known}
        courses.append(CuringCourse(variant=variant, since_injection_s=time.tolist(), temperature_c=lines))
    waits: tuple[tuple[float, float, Status], ...] = ((60, 46.1, "stop"), (300, 43.8, "warn"), (600, 42.4, "green"))
    return CuringRow(
        starts_from="what the ablation left after 5 min",
        delay_s=300.0,
        cement_peak_c=Banded(value=82.0, low=66.0, high=95.0),
        structures=structures,
        courses=courses,
        delays=[
            DelayRow(delay_s=d, structure="dural sac", combined_peak_c=p, combined_cem43_min=2.0, status=s)
            for d, p, s in waits
        ],
        delay_needed_s=600.0,
        delay_words="of the delays looked at, 10 min is the shortest that keeps every limit",
        released_kj=0.48,
        energy_error=0.0012,
        published=CANAL_TEMPERATURE,
    )  # fmt: skip


def strength() -> StrengthRow:
    states = (("without lesion", 1.0, 1.0), ("with lesion", 0.71, 0.62), ("after ablation", 0.68, 0.58),
              ("with cement", 0.96, 1.08))  # fmt: skip
    return StrengthRow(
        spacing_mm=1.0,
        elements=61234,
        criterion="2 % of the bone beyond 7000 microstrain",
        states=[
            StrengthStateRow(
                state=state, stiffness_ratio=banded(k, 0.0 if state == "without lesion" else 0.08),
                failure_ratio=banded(f, 0.0 if state == "without lesion" else 0.12), posterior_share=0.21,
                load_right_mm=0.0 if state == "without lesion" else -1.23, load_anterior_mm=0.4,
                stiffness_n_mm=banded(21000 * k, 0.3), failure_n=banded(7400 * f, 0.35),
            )
            for state, k, f in states
        ],
        volumes=[
            StrengthVolumeRow(volume_ml=v, stiffness_ratio=0.7 + 0.05 * v, failure_ratio=0.6 + 0.09 * v)
            for v in (0.0, 2.0, 3.5, 5.0)
        ],
        volume_words="A millilitre adds most from 0.0 to 2.0 ml.",
        distribution=[
            StrengthDistributionRow(
                words="the sample with most on the left", left_share=0.71, stiffness_ratio=0.93, failure_ratio=1.02,
                load_right_mm=-2.34,
            )
        ],
        published=STRENGTH,
        words="ratios are surer than forces",
    )  # fmt: skip


def target(**changes: Any) -> TargetCement:
    own = case()
    known: dict[str, Any] = {
        "target": "target",
        "level": "L3",
        "kind": "lytic",
        "source": "predicted",
        "status": "warn",
        "needles": [NeedleRow(name="N1", path="P1", entry_ras_mm=ENTRY, tip_ras_mm=TIP, volume_ml=ASKED_ML)],
        "fill": FillRow(
            injected_ml=ASKED_ML, in_bone_ml=banded(4.7), leaked_ml=banded(0.3, 0.8), lesion_share=banded(0.62),
            body_share=banded(0.17), left_share=banded(0.22),
            endplates=[
                EndplateRow(endplate="superior", contact=True, distance_mm=0.0),
                EndplateRow(endplate="inferior", contact=False, distance_mm=3.4),
            ],
            capacity_ml=21.0,
        ),
        "sites": site_rows(),
        "curve": leakage_curve(),
        "safe": SafeFillRow(
            volume_ml=4.2, binds="canal",
            limits={"canal": 0.05, "foramen": 0.05, "vein": 0.5, "disc": 0.5, "paravertebral": 0.8},
            words="beyond it the canal may be reached in more than 5 %",
        ),
        "course": course(),
        "stops": [
            StopRow(rule="leakage", volume_ml=4.2, since_mixing_s=426.0, words="leakage into the canal at 4.2 ml"),
            StopRow(rule="working time", volume_ml=None, since_mixing_s=540.0, words="the window ends at 9:00"),
            StopRow(rule="volume", volume_ml=5.0, since_mixing_s=450.0, words="the volume asked for is in"),
        ],
        "curing": curing(),
        "strength": strength(),
        "sins": sins_of(own, own.targets[0], {"pain": "mechanical"}),
        "samples": 80,
        "notes": ["a note about the target"],
    }  # fmt: skip
    return TargetCement(**{**known, **changes})


def document(**changes: Any) -> CementDocument:
    known: dict[str, Any] = {
        "case": "phantom",
        "title": "Cement in a phantom",
        "notice": "Research use only. Not a medical device.",
        "synthetic": True,
        "status": "warn",
        "status_words": "5.0 ml in target: a limit that asks for attention is passed.",
        "cement": CementRow(
            name="high", label="high-viscosity PMMA", viscosity_class="high", start_after_mixing_s=300.0,
            working_from_s=240.0, working_to_s=540.0, room_c=21.0, rate_ml_min=2.0, words="class values",
        ),
        "calibration": CalibrationRow(
            method="internal", slope_mg_cm3_hu=0.82, intercept_mg_cm3=-3.0, error_mg_cm3=18.0,
            materials=[MaterialRow(name="fat", hu=-100.0, sd_hu=12.0, voxels=1000, equivalent_mg_cm3=-70.0)],
            words="from air, fat and muscle",
        ),
        "session": SessionRow(volume_ml=5.0, warn_ml=25.0, status="green", words="below 25 ml"),
        "targets": [target()],
        "assumptions": [
            AssumptionRow(name="vein radius", value=1.2, unit="mm", low=0.5, high=2.0, certainty="guess", source="ours")
        ],
        "models": {"fill": "moving front in porous bone"},
        "not_assessed": ["pulmonary embolism"],
        "notes": ["a note about the case"],
        "provenance": {"program": {"name": "vertherm", "version": "0"}},
    }  # fmt: skip
    return CementDocument(**{**known, **changes})


def result(**changes: Any) -> CementResult:
    return CementResult(document(**changes), case(), (fields(),))
