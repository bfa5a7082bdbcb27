"""The page of a follow-up: was the lesion covered, how good was the prediction, what is new."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vertherm.core.files import atomic_path
from vertherm.report.environment import environment

if TYPE_CHECKING:
    from vertherm.followup.document import TargetExamination, Verification
    from vertherm.followup.verify import Followup
    from vertherm.report.canvas import Picture
    from vertherm.report.patient import LegendRow


@dataclass(frozen=True, eq=False)
class VisitView:
    """One examination of one lesion as the page shows it; number of its row in the document."""

    number: int
    row: TargetExamination
    planes: list[Picture]
    margin: Picture | None
    legend: list[LegendRow]


@dataclass(frozen=True, eq=False)
class TargetView:
    """One lesion with its examinations."""

    name: str
    level: str
    visits: list[VisitView]
    course: Picture | None

    @property
    def judged(self) -> TargetExamination:
        """The examination that says whether the lesion was covered; the last where none does."""
        rows = [view.row for view in self.visits]
        return next((row for row in rows if row.coverage != "not assessed"), rows[-1])

    @property
    def suspected(self) -> list[TargetExamination]:
        """Every examination that suggests progression, not only the last."""
        return [view.row for view in self.visits if view.row.progression == "suggested"]


def write_verify_page(followup: Followup, document: Verification, path: Path) -> None:
    """Write ``verify.html``: one file, no script, no request to anywhere.

    Raises:
        InputError: the file cannot be written.
    """
    template = environment().get_template("verify.html.j2")
    page = template.render(d=document, targets=_targets(followup, document), worst=_worst(document))
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(page, "utf-8")


def _worst(document: Verification) -> str:
    """Colour of the result: what is not assessed is never green."""
    if any(row.coverage == "not covered" or row.progression == "suggested" for row in document.rows):
        return "stop"
    targets = {row.target for row in document.rows}
    covered = {row.target for row in document.rows if row.coverage == "covered with margin"}
    followed = all(
        row.registration.status == "ok" and (row.coverage != "not assessed" or row.progression == "not seen")
        for row in document.rows
    )
    return "green" if covered == targets and followed else "warn"


def _targets(followup: Followup, document: Verification) -> list[TargetView]:
    from vertherm.report.canvas import collected_later
    from vertherm.report.verify_pictures import before_and_after, course_picture, legend, margin_picture

    views = []
    with collected_later():
        for target in followup.planned.case.targets:
            pairs = [
                (number, visit, row)
                for number, (visit, row) in enumerate(zip(followup.visits, document.rows, strict=True))
                if visit.target is target
            ]
            visits = [
                VisitView(
                    number,
                    row,
                    before_and_after(followup, visit) if visit.examined.image is not None else [],
                    margin_picture(visit, synthetic=document.synthetic),
                    legend(visit),
                )
                for number, visit, row in pairs
            ]
            course = course_picture([visit for _, visit, _ in pairs], synthetic=document.synthetic)
            views.append(TargetView(target.name, str(target.level), visits, course))
    return views
