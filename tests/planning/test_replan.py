"""The plan where the needle really lies.

- line fit: a rod of radius 1 mm drawn on the CT's grid by formula; tip within one voxel's half diagonal, direction
  within 1 degree, whatever the storage order of the mask;
- same place: no difference, "keep the dose"; the surrogate's error at the planned place is taken out exactly;
- another place: closed-form heat in place of the fast model, so that the new dose is known: the largest that keeps the
  root's limit; none at all: "no safe dose" and no treatment;
- canal pierced: refused, unless a reconstruction; tip outside the lesion: said with its distance.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.planning.fake_surrogate import FakeSurrogate
from tests.planning.planned_phantom import (
    CANAL,
    ENTRY_MM,
    POWER_W,
    ROOT,
    TIP_MM,
    coverage_row,
    limit_row,
    phantom,
    plan_document,
    state,
    surrogate,
    treatment,
)
from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.nifti import write_nifti
from vertherm.planning.optimise.dose import Lattice
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.optimise.judge import Judgement, StructureJudgement, TargetJudgement
from vertherm.planning.replan import document as wording
from vertherm.planning.replan import replan as module
from vertherm.planning.replan.model import as_planned
from vertherm.planning.replan.needle_fit import fit_needle, needles_from_mask
from vertherm.planning.replan.needle_input import load_needles, needles_of, parse_needle, placed_really
from vertherm.planning.replan.replan import Replan, replan
from vertherm.planning.replan.search import AsPlanned, best_dose
from vertherm.planning.state.state import State
from vertherm.planning.surrogate.dose import Dose, Pulse

_phantom = cache(phantom)
PLANNED = Trajectory(np.array(ENTRY_MM), np.array(TIP_MM))


# ---- line fit -------------------------------------------------------------------------------------------------------
def rod(needle: Trajectory, grid: Grid, radius_mm: float = 1.0) -> Volume:
    r, z = needle.cylindrical_mm(grid.centres())
    return Volume((r <= radius_mm) & (z >= 0) & (z <= needle.length_mm), grid, "rod")


def oblique() -> Grid:
    """1 mm voxels, axes exchanged and one reversed."""
    affine = np.array([[0, 1.0, 0, -40], [0, 0, -1.0, 60], [1.0, 0, 0, -40], [0, 0, 0, 1]])
    return Grid((80, 100, 140), affine)


@pytest.mark.parametrize(
    "grid", [Grid.isotropic(np.array([-40.0, -90, -40]), np.array([60.0, 40, 40]), 1.0), oblique()]
)
@pytest.mark.parametrize("tip", [(5.0, 8.0, 0.0), (9.3, 3.1, -7.7), (-6.2, 11.0, 12.4)])
def test_a_known_line_is_found(grid: Grid, tip: tuple[float, float, float]) -> None:
    real = Trajectory(np.array([25.0, -60.0, 4.0]), np.array(tip))
    found = fit_needle(rod(real, grid), PLANNED)
    assert np.linalg.norm(found.trajectory.tip_mm - real.tip_mm) < 0.87
    assert found.trajectory.axis @ real.axis > np.cos(np.radians(1.0))
    assert found.error_mm <= 0.87


def test_streaks_are_forgiven_and_a_second_needle_is_not() -> None:
    grid = Grid.isotropic(np.array([-40.0, -90, -40]), np.array([60.0, 40, 40]), 1.0)
    mask = rod(PLANNED, grid)
    streak = mask.data.copy()
    streak[5:7, 5:7, 5] = True
    assert np.allclose(fit_needle(mask.with_data(streak), PLANNED).trajectory.tip_mm, PLANNED.tip_mm, atol=0.87)
    second = Trajectory(np.array([-25.0, -60.0, 10.0]), np.array([-15.0, 8.0, 10.0]))
    with pytest.raises(InputError, match="one straight needle"):
        fit_needle(mask.with_data(mask.data | rod(second, grid).data), PLANNED)
    ball = np.linalg.norm(grid.centres(), axis=-1) < 20
    with pytest.raises(InputError, match="one straight needle"):
        fit_needle(mask.with_data(ball), PLANNED)


def test_masks_on_disk_find_their_partners(tmp_path: Path) -> None:
    """Two needles with one value each, in the other order; a mask far away or in another place is refused."""
    grid = Grid.isotropic(np.array([-60.0, -90, -40]), np.array([60.0, 40, 40]), 1.0)
    other = Trajectory(np.array([-25.0, -60.0, 10.0]), np.array([-15.0, 8.0, 10.0]))
    labels = np.where(rod(PLANNED, grid).data, 2, 0) + np.where(rod(other, grid).data, 1, 0)
    write_nifti(Volume(labels.astype(np.uint8), grid), tmp_path / "n.nii.gz")
    found = needles_from_mask(tmp_path / "n.nii.gz", {"a": PLANNED, "b": other}, grid)
    assert np.allclose(found["a"].trajectory.tip_mm, PLANNED.tip_mm, atol=0.87)
    assert np.allclose(found["b"].trajectory.tip_mm, other.tip_mm, atol=0.87)
    with pytest.raises(InputError, match="does not fit the plan"):
        needles_from_mask(tmp_path / "n.nii.gz", {"a": PLANNED}, grid)
    moved = Grid(grid.shape, grid.affine + np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 75.0], [0, 0, 0, 0]]))
    write_nifti(Volume(rod(PLANNED, grid).data.astype(np.uint8), moved), tmp_path / "far.nii.gz")
    with pytest.raises(InputError, match="frame"):
        needles_from_mask(tmp_path / "far.nii.gz", {"a": PLANNED}, grid)


# ---- needles --------------------------------------------------------------------------------------------------------
def test_needles_from_text_and_file(tmp_path: Path) -> None:
    one = parse_needle("antenna 1:entry=25,-60,0:tip=5,8,0")
    assert one.name == "antenna 1"
    assert np.array_equal(one.trajectory.tip_mm, [5, 8, 0])
    dicom = parse_needle("entry=-25,60,0:tip=-5,-8,0:frame=LPS")
    assert np.array_equal(dicom.trajectory.tip_mm, [5, 8, 0])
    for text in ("a:entry=1,2:tip=1,2,3", "a:tip=1,2,3", "a:entry=1,2,3:top=1,2,3", "a:entry=x,2,3:tip=1,2,3"):
        with pytest.raises(InputError):
            parse_needle(text)
    path = tmp_path / "needles.toml"
    path.write_text('[[needles]]\nname = "a"\nentry = [1, 2, 3]\ntip = [4, 5, 60]\n')
    with pytest.raises(InputError, match="frame"):
        load_needles(path)
    path.write_text('[[needles]]\nname = "a"\nentry = [1, 2, 3]\ntip = [4, 5, 60]\nframe = "LPS"\n')
    assert np.array_equal(load_needles(path)[0].trajectory.tip_mm, [-4, -5, 60])


def test_a_drawn_back_place_moves_with_its_needle() -> None:
    """Two places of one needle, 5 mm apart: the second lies 5 mm back along the real needle too."""
    given = treatment(_phantom())
    deep = given.first
    back = replace(deep, name="back", trajectory=Trajectory(deep.trajectory.entry_mm, deep.trajectory.point_mm(5.0)))
    both = replace(given, applicators=(back, deep))
    needle = needles_of(both)
    assert [item.name for item in needle] == ["antenna 1"]
    real = Trajectory(np.array([30.0, -60.0, 5.0]), np.array([7.0, 9.0, 1.0]))
    moved = placed_really(both, {"back": real})
    assert np.allclose(moved.applicators[1].trajectory.tip_mm, real.tip_mm)
    assert np.allclose(moved.applicators[0].trajectory.tip_mm, real.point_mm(5.0))
    with pytest.raises(InputError, match="no needle of this name"):
        placed_really(both, {"c": real})


def test_the_frame_of_the_needle_is_rigid() -> None:
    """Tip goes to tip, axis to axis, distances stay: to 1e-9 mm."""
    real = Trajectory(np.array([30.0, -60.0, 5.0]), np.array([7.0, 9.0, 1.0]))
    points = np.random.default_rng(2).normal(0, 20, (50, 3))
    seen = as_planned(points, real, PLANNED)
    assert np.allclose(as_planned(real.point_mm(np.arange(4.0)), real, PLANNED), PLANNED.point_mm(np.arange(4.0)))
    for one, other in ((real, PLANNED),):
        assert np.allclose(one.cylindrical_mm(points), other.cylindrical_mm(seen), atol=1e-9)
    gaps = np.linalg.norm(points[:, None] - points, axis=-1)
    assert np.allclose(np.linalg.norm(seen[:, None] - seen, axis=-1), gaps, atol=1e-9)


# ---- re-plan --------------------------------------------------------------------------------------------------------
def planned(model: FakeSurrogate | None = None, **changes: Any) -> State:
    rows = {"limits": [limit_row(ROOT, 42.0, 0.3), limit_row(CANAL, 40.0)], "coverage": [coverage_row(1.0)]}
    return state(_phantom(), model or surrogate(), plan=plan_document(**{**rows, **changes}))


def at(
    monkeypatch: pytest.MonkeyPatch, real: Trajectory, heat: FakeSurrogate, found: State | None = None, **changes: Any
) -> Replan:
    """Re-plan with closed-form heat at the real place, and without the search's rules (they have their own tests)."""
    state = found or planned()
    there = next(iter(state.surrogates.values()))

    monkeypatch.setattr(module, "planned_model", lambda *a, **k: there)
    monkeypatch.setattr(module, "moved_model", lambda *a, **k: heat)
    monkeypatch.setattr(module, "access_checks", lambda *a, **k: [])
    return replan(state, {"": real}, **changes)


def test_same_place_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan's full model says 42.0 degC where the surrogate reads another number: still no difference."""
    found = at(monkeypatch, PLANNED, surrogate())
    assert found.comparison.same
    assert found.document.comparison.startswith("No difference")
    assert found.document.recommendation == "keep the dose"
    row = next(row for row in found.document.structures if row.name == ROOT)
    assert row.same_c == pytest.approx(42.0, abs=1e-6)
    assert found.document.not_assessed == []
    assert found.document.verdict == "green"


def test_a_hotter_place_lowers_the_dose(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root gets 1.75 times as much: 30 W for 5 min break its limit, less power keeps it and covers all."""
    hotter = surrogate(root_k_per_w=0.28)
    real = Trajectory(np.array(ENTRY_MM), np.array([5.5, 7.0, 1.0]))
    found = at(monkeypatch, real, hotter)
    document = found.document
    assert document.recommendation == "change the dose"
    assert document.structures[0].name == ROOT
    assert document.structures[0].same_status == "stop"
    assert document.structures[0].new_status in ("green", "warn")
    assert max(row.power_w for row in document.new_dose) < POWER_W
    assert found.treatment is not None
    assert found.treatment.schedule.power_on_s == pytest.approx(sum(row.time_s for row in document.new_dose))
    assert found.improved is not None
    assert document.words.startswith("Lower the power")


def test_the_new_dose_is_never_worse_than_the_planned_one() -> None:
    """33.4 W for 97 s lies on no lattice, and only it reaches the goal."""
    goal = Goal("cem43_240", "CEM43", 5.0, 1.0, False)
    planned_dose = Dose((Pulse(33.4, 97.0, 0.0, 0),))

    def evaluate(dose: Dose) -> Judgement:
        share = 1.0 if dose == planned_dose else 0.5
        structure = StructureJudgement(ROOT, 40.0, 0.0, "green", 0.5)
        return Judgement((structure,), (TargetJudgement("target", share, share, 6.0 * share, share == 1.0),))

    lattice = Lattice.of((10.0, 60.0), (60.0, 300.0))
    assert best_dose(evaluate, goal, lattice, planned_dose).dose == planned_dose


def test_single_activations_are_refined_and_pauses_kept() -> None:
    """Two places: the first may not give more than 20 W, the second covers in proportion to its power.

    With one power for both the best is 20 W and 20 W; moved by themselves the second grows as far as trials last.
    """
    goal = Goal("cem43_240", "CEM43", 5.0, 1.0, False)
    planned_dose = Dose((Pulse(15.0, 60.0, 35.0, 0), Pulse(15.0, 60.0, 0.0, 1)))

    def evaluate(dose: Dose) -> Judgement:
        first, second = (pulse.power_w for pulse in dose.pulses)
        left = (20.5 - first) / 20.5
        structure = StructureJudgement(ROOT, 40.0, 0.0, "green", left)
        share = (min(first, 20.0) + second) / 80.0
        return Judgement((structure,), (TargetJudgement("target", share, share, 0.0, False),))

    found = best_dose(evaluate, goal, Lattice.of((10.0, 60.0), (60.0, 120.0)), planned_dose).dose
    first, second = (pulse.power_w for pulse in found.pulses)
    assert first == 20.0
    assert second >= 50.0
    assert found.pulses[0].pause_s == 35.0


def test_a_beam_of_unequal_activations_keeps_its_ratio() -> None:
    """20 W then 10 W: scaled to at most 30 W it is 30 W then 15 W, times in steps of 5 s, within the lattice."""
    planned_dose = Dose((Pulse(20.0, 60.0, 60.0, 0), Pulse(10.0, 120.0, 0.0, 0)))
    pattern = AsPlanned.of(planned_dose, Lattice.of((10.0, 60.0), (30.0, 300.0)))
    assert [pulse.power_w for pulse in pattern.dose(30.0, 60.0).pulses] == [30.0, 15.0]
    assert [pulse.on_s for pulse in pattern.dose(30.0, 60.0).pulses] == [30.0, 60.0]
    assert [pulse.power_w for pulse in pattern.dose(10.0, 60.0).pulses] == [10.0, 10.0]


def test_no_safe_dose_is_no_treatment(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Trajectory(np.array(ENTRY_MM), np.array(TIP_MM) - 4.0 * PLANNED.axis)
    found = at(monkeypatch, real, surrogate(root_k_per_w=30.0))
    assert found.document.recommendation == "no safe dose"
    assert found.treatment is None
    assert found.document.verdict == "stop"
    assert "Drawing antenna 1 back by 4 mm" in found.document.words
    assert found.document.needles[0].words == "4.0 mm deeper"


def test_same_dose_mode_seeks_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    found = at(monkeypatch, PLANNED, surrogate(root_k_per_w=0.4), mode="same dose")
    assert found.document.new_dose == []
    assert "not sought" in found.document.words


def test_tip_outside_the_lesion_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The phantom's lesion: radius 8.5 mm; a tip 30 mm to the patient's right is about that far outside."""
    real = Trajectory(PLANNED.entry_mm + np.array([30.0, 0, 0]), PLANNED.tip_mm + np.array([30.0, 0, 0]))
    found = at(monkeypatch, real, surrogate())
    row = found.document.needles[0]
    centre = _phantom().targets[0].centre_mm
    expected = float(np.linalg.norm(real.tip_mm - centre)) - 8.5
    assert row.tip_outside_mm == pytest.approx(expected, abs=2.0)
    assert any("outside target" in note for note in found.document.notes)
    assert row.words == "30.0 mm further right" or "further right" in row.words


def test_a_needle_through_the_canal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Trajectory(np.array([0.0, -80.0, 0.0]), np.array([0.0, 8.0, 0.0]))
    with pytest.raises(InputError, match="spinal canal"):
        at(monkeypatch, real, surrogate())
    found = at(monkeypatch, real, surrogate(), reconstruction=True)
    assert found.document.verdict == "stop"
    assert found.document.recommendation == "no safe dose"
    assert found.treatment is None


def test_a_needle_through_a_vessel_gets_no_power(monkeypatch: pytest.MonkeyPatch) -> None:
    case = _phantom()
    aorta = case.anatomy.structure("aorta").mask
    through = aorta.grid.world(np.argwhere(aorta.data)).mean(axis=0)
    tip = through + np.array([0.0, 0.0, 0.0])
    real = Trajectory(tip + np.array([-70.0, -60.0, 0.0]), tip)
    found = at(monkeypatch, real, surrogate())
    assert "aorta" in found.document.needles[0].crosses
    assert found.document.recommendation == "no safe dose"
    assert found.document.words.startswith("Give no power")


@pytest.mark.parametrize(
    ("coverage", "margin_mm", "words"),
    [(0.947, -0.8, "with the planned dose coverage is 94 %"), (1.0, 1.3, "the margin falls 0.7 mm short")],
)
def test_what_the_planned_dose_lacks_is_named(coverage: float, margin_mm: float, words: str) -> None:
    """Wanted: all of the lesion with 2 mm. A share that is whole lacks margin, and "100 %" would say nothing."""
    same = Judgement((), (TargetJudgement("target", coverage, coverage, margin_mm, False),))
    parts: Any = SimpleNamespace(same=same, goal=SimpleNamespace(margin_mm=2.0))
    assert words in wording._why(parts)
