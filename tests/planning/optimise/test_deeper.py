"""A small lesion whose zone the rule on the tip holds back: how deep the tip would have to go, and what that would do.

Torso phantom, lesion of 4 mm; the zone's middle lies 10.95 mm behind the tip, which may go 6 mm beyond the lesion: the
zone's middle stays 2.7 mm short of the lesion's. Expected: 3 mm deeper (steps of 0.5 mm), 8 mm beyond the lesion. The
heat is a closed form whose zone is wider by 20 % at the deeper tip: radius 0.8 sqrt(x) mm, and 0.96 sqrt(x).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.planning.optimise.closed_form import ClosedForm
from tests.planning.optimise.problems import case_on_phantom, entry_for
from vertherm.planning.access.access import case_access
from vertherm.planning.case import AccessEntry
from vertherm.planning.optimise import relax
from vertherm.planning.optimise.arms import arms
from vertherm.planning.optimise.check import goal_ml
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.optimise.judge import Judge
from vertherm.planning.optimise.models import FirstLook, Model
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.optimise.several import choose
from vertherm.planning.protocol import default_protocol

ROOT = "root L3 left"
FEW = AccessEntry(candidates=100_000)


def asked(access: AccessEntry = FEW) -> Problem:
    protocol, entry = default_protocol(), entry_for(access=access, margin_mm=0.0)
    return Problem(case_on_phantom(4.0), protocol, entry, Goal.of(protocol, entry.plan), workers=1)


def rows(monkeypatch: pytest.MonkeyPatch, problem: Problem) -> list[Any]:
    found = case_access(problem.case, problem.protocol, FEW, problem.antennas()[0], margin_mm=0.0)[0]
    arm = arms(problem, problem.case.targets[0], found)[0]
    arm = arm.only([0])
    judge = Judge(problem.goal, problem.limits, (arm.target.name,), sampled=False, volumes_ml=goal_ml(problem))
    # The goal (4 mm) takes x >= 24; 8 K at the root at 0.36 K per W leave x < 22, which reach it at the deeper tip.
    model = ClosedForm({ROOT: (0.36, 120.0)}, (0.8, 120.0), lesion_mm=4.0, margin_mm=0.0, target=arm.target.name)

    def look(_: Any, arm: Any, treatment: Any = None) -> FirstLook:
        deeper = treatment is not None and treatment.applicators[0].trajectory != arm.places[0].trajectory
        return FirstLook(dataclasses.replace(model, reach=(1.2 if deeper else 1.0,)), judge)

    monkeypatch.setattr(relax, "first_look", look)
    choice = choose(problem, arm, [Model(model, judge)])
    assert not choice.found.judgement.reached
    return list(relax._deeper(problem, choice, found))


def test_how_deep_and_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = rows(monkeypatch, asked())
    assert row.kind == "deeper tip"
    assert "the tip 3 mm deeper ([access] tip_beyond_lesion_mm = 8)" in row.what
    assert "every other rule of access is kept" in row.effect
    assert row.reached


def test_what_a_deeper_needle_would_hit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = asked(AccessEntry(candidates=100_000, instrument_length_mm=85.0))
    (row,) = rows(monkeypatch, problem)
    assert row.effect.startswith("not possible here: it breaks")
    assert "length" in row.effect
    assert not row.safe


def test_the_case_may_let_the_tip_go_deeper() -> None:
    problem = asked()
    short, deep = (
        case_access(problem.case, problem.protocol, entry, problem.antennas()[0], margin_mm=0.0)[0]
        for entry in (FEW, AccessEntry(candidates=100_000, tip_beyond_lesion_mm=9.0))
    )
    assert max(path.tip_outside_mm for path in short.paths) <= 6.01
    assert max(path.tip_outside_mm for path in deep.paths) > 6.01
