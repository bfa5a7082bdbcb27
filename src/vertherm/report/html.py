"""The report: one self-contained HTML page that loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vertherm.access.path import AccessResult
from vertherm.core.files import atomic_path
from vertherm.core.progress import Progress, silent
from vertherm.planning.assessment import Assessment, StructureRow
from vertherm.planning.objects import Case
from vertherm.planning.plan import Plan
from vertherm.planning.scene import Scene
from vertherm.report import curves, style, words
from vertherm.report.canvas import Picture, collected_later
from vertherm.report.cement import CementView, cement_view, words_of_cement
from vertherm.report.environment import environment
from vertherm.report.media import medium
from vertherm.report.patient import LegendRow
from vertherm.report.pictures import Painter
from vertherm.report.plan import PlanView, plan_view, words_of_status
from vertherm.report.probability import probability

if TYPE_CHECKING:
    from vertherm.planning.cement.result import CementResult
    from vertherm.planning.compare_plans import Comparison
    from vertherm.planning.protection.effect import ProtectionEffect

STANDARD = ("axial", "coronal", "sagittal")


@dataclass
class Pictures:
    """All pictures of a report, in reading order."""

    planes: list[list[Picture]] = field(default_factory=list)
    zones: list[Picture] = field(default_factory=list)
    probabilities: list[Picture] = field(default_factory=list)
    media: list[Picture] = field(default_factory=list)
    temperatures: Picture | None = None
    thermocouples: Picture | None = None
    power: Picture | None = None
    limits: Picture | None = None
    legend: list[LegendRow] = field(default_factory=list)
    zone_legend: list[LegendRow] = field(default_factory=list)
    out_of_view: list[str] = field(default_factory=list)
    deciding: str = ""

    def all(self) -> list[Picture]:
        """Every picture once."""
        single = [
            picture
            for picture in (self.temperatures, self.thermocouples, self.power, self.limits)
            if picture is not None
        ]
        return (
            [picture for row in self.planes for picture in row] + self.zones + self.probabilities + self.media + single
        )


def write_report(
    assessment: Assessment,
    scene: Scene,
    path: Path,
    *,
    plan: Plan | None = None,
    access: Sequence[AccessResult] = (),
    case: Case | None = None,
    comparison: Comparison | None = None,
    effect: ProtectionEffect | None = None,
    filled: CementResult | None = None,
    progress: Progress = silent,
) -> None:
    """Write ``report.html``: pictures embedded, styles inline, no script, no request to anywhere.

    Args:
        assessment: the numbers.
        scene: images, fields and curves in one frame (RAS mm).
        path: the file to write; replaced atomically.
        plan: the plan this treatment comes from; its pages come first.
        access: the searches, for the pictures of paths.
        case: the patient, for the same; None: paths without pictures.
        comparison: with another plan, or with where the needle really lies.
        effect: of the protection, with and without.
        filled: the cement of the plan; its pages follow the paths.
        progress: told how far the pictures are.

    Raises:
        InputError: the file cannot be written.
    """
    with collected_later():
        view = None if plan is None else plan_view(plan, access, case)
        cement = None if filled is None else cement_view(filled.document, filled.fields, filled.case)
        page = render(assessment, draw(assessment, scene, progress), view, comparison, effect, cement)
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(page, "utf-8")


def draw(assessment: Assessment, scene: Scene, progress: Progress = silent) -> Pictures:
    """Draw all pictures of a case."""
    painter = Painter(assessment, scene)
    result = Pictures(deciding=painter.deciding)
    kinds = [painter.anatomy, *([painter.mr] if scene.mr is not None else []), painter.temperature]
    views = [[partial(draw_one, name) for draw_one in kinds] for name in (*STANDARD, "needle")]
    steps = sum(len(row) for row in views) + len(scene.zones) + len(scene.probabilities) + len(scene.protection) + 4
    done = 0

    def counted(make: Callable[[], Picture]) -> Picture:
        nonlocal done
        done += 1
        progress("report", done / steps)
        return make()

    result.planes = [[counted(make) for make in row] for row in views]
    result.zones = [counted(partial(painter.zones, zone, i)) for i, zone in enumerate(scene.zones)]
    result.probabilities = [counted(partial(probability, painter, field)) for field in scene.probabilities]
    result.media = [counted(partial(medium, painter, item)) for item in scene.protection]
    if curves.shown_curves(scene):
        result.temperatures = counted(partial(curves.temperatures, assessment, scene))
    if curves.thermocouple_curves(scene):
        result.thermocouples = counted(partial(curves.thermocouples, assessment, scene))
    if scene.power_w:
        result.power = counted(partial(curves.power, assessment, scene))
    if any(row.peak_temperature_c is not None for row in assessment.structures):
        result.limits = counted(partial(curves.limits, assessment, scene))
    result.legend = painter.legend()
    result.zone_legend = [LegendRow(zone.label, style.zone_colour(i), False) for i, zone in enumerate(scene.zones)]
    result.out_of_view = painter.out_of_view((*STANDARD, "needle"))
    progress("report", 1.0)
    return result


def render(
    assessment: Assessment,
    pictures: Pictures,
    view: PlanView | None = None,
    comparison: Comparison | None = None,
    effect: ProtectionEffect | None = None,
    cement: CementView | None = None,
) -> str:
    """The page as text; every name in it is escaped."""
    order = {"stop": 0, "not assessed": 1, "warn": 2, "green": 3}
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            a=assessment,
            pictures=pictures,
            pv=view,
            comparison=comparison,
            effect=effect,
            cv=cement,
            structures=sorted(assessment.structures, key=lambda row: (order[row.status], -_worst(row), row.name)),
            verdict_words=style.verdict_words(assessment),
            coverage_words=style.coverage_words(assessment, assessment.coverage_verdict),
            coverage_status=style.COVERAGE_STATUS,
            coverage_texts={status: style.coverage_words(assessment, status) for status in style.COVERAGE_WORDS},
            decider=style.decider(assessment),
            labels={row.metric: row.label for row in assessment.zones},
            **{**words_of_cement(), **words_of_status()},
            energy_error=max((row.error for row in assessment.energy_balance), default=0.0),
            derived=[row.name for row in assessment.structures if row.derived],
            unverified=[row for row in assessment.assumptions if not row.verified],
            provenance=words.flat(assessment.provenance),
        )
    )


def _worst(row: StructureRow) -> float:
    return row.peak_temperature_c.high if row.peak_temperature_c is not None else 0.0
