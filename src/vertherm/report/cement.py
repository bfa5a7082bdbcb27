"""The pages of the cement: fill, leakage, injection, heat, strength and stability of every target."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from vertherm.core.files import atomic_path
from vertherm.core.progress import Progress, silent
from vertherm.planning.cement.document import CementDocument, PublishedRow, TargetCement
from vertherm.planning.cement.result import CementFields, CementResult
from vertherm.planning.objects import Case
from vertherm.report import cement_curves, cement_heat, style, words
from vertherm.report.canvas import Picture, collected_later
from vertherm.report.cement_look import look
from vertherm.report.cement_planes import CementPainter
from vertherm.report.cement_strain import strain
from vertherm.report.environment import environment
from vertherm.report.patient import LegendRow

OPINION_STATUS = {"yes": "stop", "possible": "warn", "no": "green"}
"""How the answer about a surgical opinion is coloured."""


@dataclass
class CementTargetView:
    """One target on the page; a picture that has nothing to show is None.

    Args:
        row: the numbers.
        planes, space: cement in the CT and as surfaces; None without volumes.
        leakage, distance, course, heat, peaks, delays, strength: diagrams.
        strain: maps of the strain by state.
        legend: of the outlines in the pictures.
    """

    row: TargetCement
    planes: Picture | None = None
    space: Picture | None = None
    leakage: Picture | None = None
    distance: Picture | None = None
    course: Picture | None = None
    heat: Picture | None = None
    peaks: Picture | None = None
    delays: Picture | None = None
    strength: Picture | None = None
    strain: Picture | None = None
    legend: list[LegendRow] = field(default_factory=list)

    @property
    def pictures(self) -> list[Picture]:
        """Every picture once."""
        found = (
            self.planes, self.space, self.leakage, self.distance, self.course, self.heat, self.peaks, self.delays,
            self.strength, self.strain,
        )  # fmt: skip
        return [picture for picture in found if picture is not None]


@dataclass
class CementView:
    """Everything the pages of the cement show.

    Args:
        document: the numbers.
        targets: in their order.
        provenance: key and text.
    """

    document: CementDocument
    targets: list[CementTargetView]
    provenance: list[tuple[str, str]] = field(default_factory=list)

    @property
    def pictures(self) -> list[Picture]:
        """Every picture once."""
        return [picture for target in self.targets for picture in target.pictures]

    @property
    def published(self) -> list[PublishedRow]:
        """Published numbers of all targets, each once."""
        rows: dict[str, PublishedRow] = {}
        for view in self.targets:
            parts = (view.row.curve, view.row.curing, view.row.strength)
            for part in parts:
                rows |= {item.words: item for item in (part.published if part is not None else [])}
        return list(rows.values())


def write_cement_report(result: CementResult, path: Path, *, progress: Progress = silent) -> None:
    """Write ``cement.html``: pictures embedded, styles inline, no script, no request to anywhere.

    Args:
        result: document, patient and volumes.
        path: the file to write; replaced atomically.
        progress: told how far the pictures are.

    Raises:
        InputError: the file cannot be written.
    """
    view = cement_view(result.document, result.fields, result.case, progress=progress)
    page = render_cement(view)
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(page, "utf-8")
    progress("report", 1.0)


def render_cement(view: CementView) -> str:
    """The page as text; every name in it is escaped."""
    return environment().get_template("cement.html.j2").render(cv=view, **words_of_cement())


def words_of_cement() -> dict[str, object]:
    """What ``cement_sections.html.j2`` needs beside the view ``cv``; a plan's page may have some of it already."""
    return {
        "signs": style.STATUS_SIGNS,
        "status_words": style.STATUS_WORDS,
        "certainty": style.CERTAINTY_WORDS,
        "opinion_status": OPINION_STATUS,
    }


def cement_view(
    document: CementDocument,
    fields: tuple[CementFields, ...] = (),
    case: Case | None = None,
    *,
    progress: Progress = silent,
) -> CementView:
    """Numbers and pictures of a cement prediction, for its own page or as a section of a plan's.

    Args:
        document: the numbers.
        fields: volumes by target; a target without them gets diagrams only.
        case: the patient, for pictures in the CT; None: diagrams only.
        progress: told how far the pictures are.
    """
    known = {item.target: item for item in fields}
    views = []
    with collected_later():
        for position, row in enumerate(document.targets):
            progress("report", position / max(len(document.targets), 1))
            views.append(_target(document, row, known.get(row.target), case))
    return CementView(document, views, words.flat(document.provenance))


def _target(
    document: CementDocument, row: TargetCement, fields: CementFields | None, case: Case | None
) -> CementTargetView:
    synthetic = document.synthetic
    view = CementTargetView(row)
    if fields is not None and case is not None:
        painter = CementPainter(case, row, fields)
        view.planes = painter.picture()
        view.legend = [*painter.cement_legend(), *painter.legend()]
    if fields is not None:
        view.space = look(row, fields, synthetic=synthetic, level=row.level)
    if row.curve is not None and row.curve.volume_ml:
        view.leakage = cement_curves.leakage(row, row.curve, synthetic=synthetic)
        if any(value is not None for line in row.curve.distance_mm.values() for value in line):
            view.distance = cement_curves.distance(row, row.curve, synthetic=synthetic)
    if row.course is not None and row.course.since_mixing_s:
        view.course = cement_curves.course(row, document.cement, synthetic=synthetic)
    if row.curing is not None:
        if cement_heat.shown(row.curing):
            view.heat = cement_heat.courses(row, row.curing, synthetic=synthetic)
        if row.curing.structures:
            view.peaks = cement_heat.peaks(row, row.curing, synthetic=synthetic)
        if row.curing.delays:
            view.delays = cement_heat.delays(row, row.curing, synthetic=synthetic)
    if row.strength is not None and row.strength.states:
        view.strength = cement_curves.strength(row, row.strength, synthetic=synthetic)
    if fields is not None and fields.strain:
        view.strain = strain(row, fields, synthetic=synthetic)
    return view
