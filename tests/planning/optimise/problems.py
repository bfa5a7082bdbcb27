"""Problems on a coarse phantom that many tests share."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from vertherm.planning.case import AccessEntry, CaseFile, Images, Numerics, PlanEntry, SyntheticLesion, Target
from vertherm.planning.objects import Case
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.phantom import phantom_case
from vertherm.planning.protocol import Protocol, default_protocol


@cache
def case_on_phantom(radius_mm: float = 8.5, offset: tuple[float, float, float] = (5.0, 2.0, 0.0)) -> Case:
    return phantom_case("L3", spacing_mm=2.0, lesion_radius_mm=radius_mm, lesion_offset_mm=offset)


def entry_for(numerics: Numerics | None = None, access: AccessEntry | None = None, **plan: Any) -> CaseFile:
    target = Target(level="L3", level_confirmed=True, kind="lytic", synthetic=SyntheticLesion(radius_mm=8.5))
    return CaseFile(
        case="phantom",
        title="Torso phantom",
        images=Images(ct=Path("ct.nii.gz")),
        targets=(target,),
        plan=PlanEntry(**plan),
        access=access or AccessEntry(),
        numerics=numerics or Numerics(),
    )


def problem_for(case: Case | None = None, protocol: Protocol | None = None, **plan: Any) -> Problem:
    entry, protocol = entry_for(**plan), protocol or default_protocol()
    return Problem(case or case_on_phantom(), protocol, entry, Goal.of(protocol, entry.plan), workers=1)
