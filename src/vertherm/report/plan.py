"""The pages of a plan: its status, the treatment in one glance, limits, chart, alternatives, paths, what would help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertherm.access.path import AccessResult
from vertherm.core.files import atomic_path
from vertherm.core.progress import Progress, silent
from vertherm.planning.objects import Case
from vertherm.planning.plan import AccessRow, ActivationRow, Chart, PlacedRow, Plan
from vertherm.report import style
from vertherm.report.access import PathView, TargetView, row_view, target_view
from vertherm.report.canvas import Picture
from vertherm.report.chart import chart_words, power_time
from vertherm.report.environment import environment
from vertherm.report.words import flat

if TYPE_CHECKING:
    from vertherm.planning.protection.effect import ProtectionEffect

MOST_ILLUSTRATED = 4
"""Paths with pictures of their own in a whole plan: those chosen, then the best others."""


@dataclass
class ChartView:
    """One chart with its sentences."""

    chart: Chart
    picture: Picture
    words: list[str]


@dataclass
class NeedleView:
    """One antenna of the treatment: where it goes, how to set it up, what it gives."""

    placed: PlacedRow
    path: PathView | None
    activations: list[ActivationRow]


@dataclass
class PlanView:
    """Everything the pages of a plan show, in reading order.

    Args:
        plan: the numbers.
        needles: the treatment by antenna; empty: no safe plan.
        charts: one a target.
        targets: the paths.
        provenance: key and text.
    """

    plan: Plan
    needles: list[NeedleView]
    charts: list[ChartView]
    targets: list[TargetView]
    provenance: list[tuple[str, str]] = field(default_factory=list)

    @property
    def status_words(self) -> str:
        """The plan's own words without the status in front, which stands above them in large letters."""
        start, _, rest = self.plan.status_words.partition(": ")
        return rest if start.lower() == self.plan.status else self.plan.status_words

    @property
    def energy_kj(self) -> float:
        """Given by all activations, as the kind of power the plan states."""
        return sum(a.power_w * a.time_s for a in self.plan.activations) / 1000.0

    @property
    def minutes_s(self) -> float:
        """From the first power on to the last switch-off: every time and every pause between."""
        rows = self.plan.activations
        return sum(a.time_s for a in rows) + sum(a.pause_s for a in rows[:-1])

    @property
    def pictures(self) -> list[Picture]:
        """Every picture once."""
        return [*(c.picture for c in self.charts), *(p for target in self.targets for p in target.pictures)]


def write_plan_page(
    plan: Plan,
    access: Sequence[AccessResult],
    case: Case | None,
    path: Path,
    *,
    effect: ProtectionEffect | None = None,
    progress: Progress = silent,
) -> None:
    """Write the page of a plan that has no assessment ("no safe plan"): one file, no script, no request to anywhere.

    Args:
        plan: the numbers.
        access: the searches, for the pictures of paths; may be empty.
        case: the patient, for the same; None: no pictures of paths.
        path: the file to write; replaced atomically.
        effect: of a protection, where one was computed.
        progress: told how far the pictures are.

    Raises:
        InputError: the file cannot be written.
    """
    progress("report", 0.0)
    page = render_plan(plan_view(plan, access, case), effect)
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(page, "utf-8")
    progress("report", 1.0)


def render_plan(view: PlanView, effect: ProtectionEffect | None = None) -> str:
    """The page as text; every name in it is escaped."""
    template = environment().get_template("plan.html.j2")
    return template.render(pv=view, comparison=None, effect=effect, **words_of_status())


def words_of_status() -> dict[str, Any]:
    """What the templates of a plan need beside its view."""
    return {
        "signs": style.STATUS_SIGNS,
        "status_words": style.STATUS_WORDS,
        "plan_signs": style.PLAN_SIGNS,
        "plan_headlines": style.PLAN_HEADLINES,
    }


def plan_view(plan: Plan, access: Sequence[AccessResult] = (), case: Case | None = None) -> PlanView:
    """Numbers and pictures of a plan."""
    found = {result.target: result for result in access}
    rows = plan.access
    others = max(MOST_ILLUSTRATED - len({(p.target, p.path) for p in plan.applicators}), 0)
    share = _shares(others, [row.target for row in rows])
    targets = [_target(row, found.get(row.target), case, plan, share[row.target]) for row in rows]
    return PlanView(
        plan,
        [_needle(placed, targets, plan) for placed in plan.applicators],
        [_chart(chart, plan) for chart in plan.charts],
        targets,
        flat(plan.provenance),
    )


def _chart(chart: Chart, plan: Plan) -> ChartView:
    """A chart; without a plan its marked dose was not chosen, only looked at."""
    marked = "chosen" if plan.applicators else "not a plan"
    return ChartView(chart, power_time(chart, synthetic=plan.synthetic, marked=marked), chart_words(chart, marked))


def _shares(total: int, names: Sequence[str]) -> dict[str, int]:
    """A number dealt out over names, the first ones first."""
    return {name: total // len(names) + (position < total % len(names)) for position, name in enumerate(names)}


def _target(row: AccessRow, result: AccessResult | None, case: Case | None, plan: Plan, others: int) -> TargetView:
    chosen = [placed.path for placed in plan.applicators if placed.target == row.target]
    if result is None or case is None:
        return row_view(row, chosen=chosen)
    # A chosen path may be none of the search's own (drawn back, given by hand): then nothing is marked.
    known = [name for name in dict.fromkeys(chosen) if any(path.name == name for path in result.paths)]
    return target_view(result, case, chosen=known, most=len(known) + others)


def _needle(placed: PlacedRow, targets: Sequence[TargetView], plan: Plan) -> NeedleView:
    views = (view for target in targets if target.result.target == placed.target for view in target.paths)
    path = next((view for view in views if view.path.name == placed.path), None)
    return NeedleView(placed, path, [row for row in plan.activations if row.antenna == placed.name])
