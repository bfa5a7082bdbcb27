"""The cement of a finished plan: through the same way as the antenna, after the heat that the plan gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vertherm.core.progress import Progress, silent
from vertherm.planning.case import CaseFile
from vertherm.planning.cement.ablation import ablation_of
from vertherm.planning.cement.needles import Cannula, given_cannulas, to_the_middle
from vertherm.planning.cement.result import CementResult
from vertherm.planning.cement.run import cement_case, cement_rules

if TYPE_CHECKING:
    from vertherm.planning.optimise.run import PlanResult


def cement_of_plan(
    result: PlanResult, entry: CaseFile, *, workers: int = 0, address: str | None = None, progress: Progress = silent
) -> CementResult | None:
    """Cement along the plan's needles, starting from what its ablation leaves; None without a plan or [cement].

    Cannulas that the case gives win over the plan's needles.
    """
    if entry.cement is None or result.treatment is None:
        return None
    rules = cement_rules(result.protocol.cement, entry.cement)
    ablation = ablation_of(
        result.case, result.treatment, result.protocol, entry.numerics, [rules.ablation_delay_s], progress
    )
    cannulas = _cannulas(result)
    if entry.cement.needles:
        cannulas |= given_cannulas(entry, result.case)
    return cement_case(
        result.case,
        result.protocol,
        entry,
        cannulas,
        ablation=ablation,
        workers=workers,
        address=address,
        progress=progress,
    )


def _cannulas(result: PlanResult) -> dict[str, list[Cannula]]:
    """One cannula a path of the plan; an antenna that is drawn back along its path counts once, where it is deepest."""
    assert result.treatment is not None
    placed = {antenna.name: antenna.trajectory for antenna in result.treatment.applicators}
    targets = {target.name: target for target in result.case.targets}
    found: dict[str, dict[str, Cannula]] = {}
    for row in result.plan.applicators:
        way = placed.get(row.name)
        if way is None:
            continue
        kept = found.setdefault(row.target, {})
        known = kept.get(row.path)
        if known is None or way.length_mm > known.trajectory.length_mm:
            kept[row.path] = Cannula(f"along {row.path}", row.path, way, 1.0)
    return {
        target: [
            Cannula(one.name, one.path, to_the_middle(one.trajectory, targets[target]), 1.0 / len(ways))
            for one in ways.values()
        ]
        for target, ways in found.items()
    }
