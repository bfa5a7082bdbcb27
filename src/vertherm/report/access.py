"""The page of needle paths: what was searched, what was found, pictures of the best, and why the others are refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vertherm.access.path import AccessResult, Clearance, NeedlePath
from vertherm.core.files import atomic_path
from vertherm.core.progress import Progress, silent
from vertherm.planning.access.access import NOTICE
from vertherm.planning.objects import Case
from vertherm.planning.plan import AccessRow, ClearanceRow, PathRow
from vertherm.report import words
from vertherm.report.canvas import Picture
from vertherm.report.environment import environment
from vertherm.report.eye import probes_eye
from vertherm.report.paths import PathPainter, placement_error
from vertherm.report.patient import LegendRow

MOST_ILLUSTRATED = 4
"""Paths of a target that get pictures of their own; the others are in the overview and in the tables."""


@dataclass
class PathView:
    """One path on the page.

    Args:
        path: its numbers.
        entry_mm, tip_mm: RAS.
        instruction: how to set it up, in words.
        bone_at_mm: entry to the first bone along the needle; None where unknown.
        pictures: along the needle and across it; empty where it is in the tables only.
        chosen: True for a path of the plan.
    """

    path: NeedlePath | PathRow
    entry_mm: Sequence[float]
    tip_mm: Sequence[float]
    instruction: str
    bone_at_mm: float | None = None
    pictures: list[Picture] = field(default_factory=list)
    chosen: bool = False

    @property
    def nearest(self) -> Clearance | ClearanceRow | None:
        """The structure with the least to spare."""
        near: Sequence[Clearance | ClearanceRow] = self.path.clearances
        return min(near, key=lambda c: c.after_error_mm - c.required_mm, default=None)


@dataclass
class TargetView:
    """The paths to one target on the page; ``error_mm`` is the placement error, None where nothing states it."""

    result: AccessResult | AccessRow
    error_mm: float | None
    paths: list[PathView]
    overview: list[Picture] = field(default_factory=list)
    legend: list[LegendRow] = field(default_factory=list)

    @property
    def table_only(self) -> list[str]:
        """Names of the paths without pictures of their own."""
        return [view.path.name for view in self.paths if not view.pictures]

    @property
    def pictures(self) -> list[Picture]:
        """Every picture once."""
        return [*self.overview, *(picture for view in self.paths for picture in view.pictures)]


def write_access_report(
    results: Sequence[AccessResult], case: Case, path: Path, *, title: str = "", progress: Progress = silent
) -> None:
    """Write ``access.html``: pictures embedded, styles inline, no script, no request to anywhere.

    Args:
        results: one search a target.
        case: the patient.
        path: the file to write; replaced atomically.
        title: headline; left out: the title of the case.
        progress: told how far the pictures are.

    Raises:
        InputError: the file cannot be written.
    """
    views = []
    for position, result in enumerate(results):
        progress("report", position / max(len(results), 1))
        views.append(target_view(result, case))
    page = render_access(views, case, title or case.title)
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(page, "utf-8")
    progress("report", 1.0)


def render_access(views: Sequence[TargetView], case: Case, title: str) -> str:
    """The page as text; every name in it is escaped."""
    template = environment().get_template("access.html.j2")
    return template.render(views=views, title=title, case=case, synthetic=case.anatomy.synthetic, notice=NOTICE)


def target_view(
    result: AccessResult, case: Case, *, chosen: Collection[str] = (), most: int = MOST_ILLUSTRATED
) -> TargetView:
    """Numbers and pictures of one target: those of the ``chosen`` paths, and of the best others up to ``most``."""
    if not result.paths:
        return TargetView(result, placement_error(result), [])
    painter = PathPainter(case, result)
    rest = [path.name for path in result.paths if path.name not in chosen]
    illustrated = {*chosen, *rest[: max(most - len(chosen), 0)]}
    views = []
    for path in result.paths:
        bone = painter.bone_depth(path)
        pictures = [*painter.along(path), probes_eye(painter, path)] if path.name in illustrated else []
        ends = path.trajectory.entry_mm.tolist(), path.trajectory.tip_mm.tolist()
        views.append(PathView(path, *ends, instruction(path, *ends, bone), bone, pictures, path.name in chosen))
    # What only a set needs is in the overview where it has pictures of its own: more lines would hide the front.
    shown = tuple(path for path in result.paths if not path.only_in_set or path.name in illustrated)
    overview = painter.overview(shown, next(iter(chosen), ""))
    return TargetView(result, painter.error_mm, views, overview, painter.legend())


def row_view(row: AccessRow, *, chosen: Collection[str] = ()) -> TargetView:
    """The numbers of one target from the document of a plan, without pictures."""
    views = []
    for path in row.paths:
        ends = path.entry_ras_mm, path.tip_ras_mm
        views.append(PathView(path, *ends, instruction(path, *ends, None), chosen=path.name in chosen))
    return TargetView(row, row.needle.get("placement_error_mm"), views)


def instruction(
    path: NeedlePath | PathRow, entry_mm: Sequence[float], tip_mm: Sequence[float], bone_mm: float | None
) -> str:
    """How a person sets the path up at the scanner: side and angles from where entry and tip lie, and depths."""
    across, _, up = np.asarray(entry_mm, float) - np.asarray(tip_mm, float)
    side = "left" if across < 0 else "right"
    axial = f"{abs(path.axial_deg):.0f}° off the straight sagittal way, entering on the patient's {side} of the tip"
    tilt = (
        f"{abs(path.cranio_caudal_deg):.0f}° out of the axial plane, entry towards the {'head' if up > 0 else 'feet'}"
    )
    straight, level = abs(path.axial_deg) < 0.5, abs(path.cranio_caudal_deg) < 0.5
    angles = f"{'in the sagittal plane' if straight else axial}; {'in the axial plane' if level else tilt}"
    depth = (
        f"{path.length_mm:.0f} mm from the {'skin' if path.entry_kind == 'skin' else 'edge of the image'} to the tip"
    )
    bone = "" if bone_mm is None else f", bone after {bone_mm:.0f} mm"
    gantry = f"a gantry tilt of {words.number(abs(path.gantry_deg), 0)}° shows the whole needle in one slice"
    return f"{angles}; {depth}{bone}; {gantry}."
