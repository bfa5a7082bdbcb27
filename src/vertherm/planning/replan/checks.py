"""Checks of the needles where they really lie: in the lesion? through what? which rules of access are broken?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vertherm.geometry.trajectory import Trajectory
from vertherm.planning.checks import pierced_structures
from vertherm.planning.objects import Case, PlacedAntenna, Target, Treatment
from vertherm.planning.protocol import Protocol
from vertherm.planning.replan.needle_input import Needle
from vertherm.planning.replan.rows import CheckRow
from vertherm.planning.state.state import State


def target_of(case: Case, trajectory: Trajectory) -> Target:
    """The lesion whose centre lies nearest to the tip."""
    return min(case.targets, key=lambda target: float(np.linalg.norm(target.centre_mm - trajectory.tip_mm)))


def crossed(case: Case, placed: PlacedAntenna, protocol: Protocol) -> list[str]:
    """Names of structures that the rules of access forbid and this needle passes through."""
    kinds = tuple(kind for rule in protocol.access.obstacles if rule.forbidden for kind in rule.kinds)
    return pierced_structures(placed.trajectory, placed.antenna.shaft_radius_mm, case.anatomy, kinds)


def access_checks(state: State, treatment: Treatment, needles: Sequence[Needle], margin_mm: float) -> list[CheckRow]:
    """Every rule of access for every needle; the placement error counts no more, because the place is known."""
    from vertherm.access.explain import explain
    from vertherm.planning.access.access import needle_spec
    from vertherm.planning.access.scene import access_scene

    rules = state.protocol.access.model_copy(update={"placement_error_mm": 0.0})
    placed = {item.name: item for item in treatment.applicators}
    scenes = {}
    found = []
    for needle in needles:
        target = target_of(state.case, needle.trajectory)
        if target.name not in scenes:
            scenes[target.name] = access_scene(state.case, target, state.protocol, margin_mm=margin_mm)
        spec = needle_spec(placed[needle.name].antenna, rules, state.entry.access)
        for check in explain(scenes[target.name], rules, spec, needle.trajectory, position=state.entry.access.position):
            found.append(
                CheckRow(needle=needle.name, rule=check.rule, value=check.value, limit=check.limit, kept=check.kept)
            )
    return found
