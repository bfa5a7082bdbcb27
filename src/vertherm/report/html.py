"""The report: one self-contained HTML page that loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertherm.core.files import atomic_path
from vertherm.core.progress import Progress, silent
from vertherm.planning.assessment import Assessment, StructureRow
from vertherm.planning.scene import Scene
from vertherm.report import curves, style, words
from vertherm.report.canvas import Picture
from vertherm.report.pictures import LegendRow, Painter
from vertherm.report.probability import probability

if TYPE_CHECKING:
    from jinja2 import Environment

STANDARD = ("axial", "coronal", "sagittal")


@dataclass
class Pictures:
    """All pictures of a report, in reading order."""

    planes: list[list[Picture]] = field(default_factory=list)
    zones: list[Picture] = field(default_factory=list)
    probabilities: list[Picture] = field(default_factory=list)
    temperatures: Picture | None = None
    power: Picture | None = None
    limits: Picture | None = None
    legend: list[LegendRow] = field(default_factory=list)
    zone_legend: list[LegendRow] = field(default_factory=list)
    out_of_view: list[str] = field(default_factory=list)
    deciding: str = ""

    def all(self) -> list[Picture]:
        """Every picture once."""
        single = [picture for picture in (self.temperatures, self.power, self.limits) if picture is not None]
        return [picture for row in self.planes for picture in row] + self.zones + self.probabilities + single


def write_report(assessment: Assessment, scene: Scene, path: Path, *, progress: Progress = silent) -> None:
    """Write ``report.html``: pictures embedded, styles inline, no script, no request to anywhere.

    Args:
        assessment: the numbers.
        scene: images, fields and curves in one frame (RAS mm).
        path: the file to write; replaced atomically.
        progress: told how far the pictures are.

    Raises:
        InputError: the file cannot be written.
    """
    page = render(assessment, draw(assessment, scene, progress))
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(page, "utf-8")


def draw(assessment: Assessment, scene: Scene, progress: Progress = silent) -> Pictures:
    """Draw all pictures of a case."""
    painter = Painter(assessment, scene)
    result = Pictures(deciding=painter.deciding)
    kinds = [painter.anatomy, *([painter.mr] if scene.mr is not None else []), painter.temperature]
    views = [[partial(draw_one, name) for draw_one in kinds] for name in (*STANDARD, "needle")]
    steps = sum(len(row) for row in views) + len(scene.zones) + len(scene.probabilities) + 3
    done = 0

    def counted(make: Callable[[], Picture]) -> Picture:
        nonlocal done
        done += 1
        progress("report", done / steps)
        return make()

    result.planes = [[counted(make) for make in row] for row in views]
    result.zones = [counted(partial(painter.zones, zone, i)) for i, zone in enumerate(scene.zones)]
    result.probabilities = [counted(partial(probability, painter, field)) for field in scene.probabilities]
    if scene.curves:
        result.temperatures = counted(partial(curves.temperatures, assessment, scene))
    if scene.power_w:
        result.power = counted(partial(curves.power, assessment, scene))
    if any(row.peak_temperature_c is not None for row in assessment.structures):
        result.limits = counted(partial(curves.limits, assessment, scene))
    result.legend = painter.legend()
    result.zone_legend = [LegendRow(zone.label, style.zone_colour(i), False) for i, zone in enumerate(scene.zones)]
    result.out_of_view = painter.out_of_view((*STANDARD, "needle"))
    progress("report", 1.0)
    return result


def render(assessment: Assessment, pictures: Pictures) -> str:
    """The page as text; every name in it is escaped."""
    order = {"stop": 0, "not assessed": 1, "warn": 2, "green": 3}
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            a=assessment,
            pictures=pictures,
            structures=sorted(assessment.structures, key=lambda row: (order[row.status], -_worst(row), row.name)),
            verdict_words=style.verdict_words(assessment),
            coverage_words=style.coverage_words(assessment, assessment.coverage_verdict),
            coverage_status=style.COVERAGE_STATUS,
            coverage_texts={status: style.coverage_words(assessment, status) for status in style.COVERAGE_WORDS},
            decider=style.decider(assessment),
            labels={row.metric: row.label for row in assessment.zones},
            signs=style.STATUS_SIGNS,
            status_words=style.STATUS_WORDS,
            certainty=style.CERTAINTY_WORDS,
            energy_error=max((row.error for row in assessment.energy_balance), default=0.0),
            derived=[row.name for row in assessment.structures if row.derived],
            unverified=[row for row in assessment.assumptions if not row.verified],
            provenance=_flat(assessment.provenance),
        )
    )


def _worst(row: StructureRow) -> float:
    return row.peak_temperature_c.high if row.peak_temperature_c is not None else 0.0


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested provenance as lines of key and text."""
    lines: list[tuple[str, str]] = []
    for key, item in value.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(item, dict):
            lines += _flat(item, f"{prefix}{key} › ")
        elif isinstance(item, list) and item and all(isinstance(part, dict) for part in item):
            lines += [(name, words.plain(part)) for part in item]
        else:
            lines.append((name, words.plain(item)))
    return lines


def environment() -> Environment:
    """Templates with the filters of :mod:`vertherm.report.words`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vertherm.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    for function in (
        words.number, words.dose, words.band, words.dose_band, words.percent, words.percent_band, words.clock,
        words.point, words.sentence, words.chance,
    ):  # fmt: skip
        environment.filters[function.__name__] = function
    environment.filters |= {"plain": words.plain, "heading": words.heading, "rows": words.table}
    return environment
