"""The full-wave check inside a prediction: power kept, factor gone, words said."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.planning.conftest import ENTRY_MM, TIP_MM
from vertherm.core.errors import SolverError
from vertherm.core.progress import silent
from vertherm.geometry.volume import Grid
from vertherm.heat.member import NOMINAL
from vertherm.planning.full_wave import LARGEST_RATIO, carried_over, redistribution, sub_grid, with_full_wave
from vertherm.planning.objects import Numerics
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.predict import full_wave_setup, plan_runs, predict
from vertherm.planning.protocol import default_protocol
from vertherm.planning.setup import make_setup


def test_redistribution_moves_power_and_makes_none():
    """sum(rotated * ratio) = sum(rotated), whatever the full wave's own total; 1 outside, 0 stays 0."""
    rng = np.random.default_rng(3)
    rotated = rng.uniform(0.5, 2.0, (6, 7, 8)).astype(np.float32)
    rotated[0] = 0.0  # air: no conductivity, no power
    full = (1.7 * rotated * rng.uniform(0.3, 3.0, rotated.shape)).astype(np.float32)
    inside = np.ones(rotated.shape, bool)
    inside[:, :, -2:] = False
    ratio, power = redistribution(rotated, full, inside)
    assert np.all(ratio[~inside] == 1)
    assert np.all(ratio[0] == 1)
    assert (rotated * ratio).sum() == pytest.approx(rotated.sum(), rel=1e-5)
    heated = inside & (rotated > 0)
    assert power == pytest.approx(full[heated].sum() / rotated[heated].sum(), rel=1e-5)
    assert np.allclose((ratio * power)[heated], (full / np.where(rotated > 0, rotated, 1))[heated], rtol=1e-5)


def test_a_ratio_without_bound_is_capped_and_a_dead_solve_refused():
    rotated = np.ones((4, 4, 4), np.float32)
    rotated[1, 1, 1] = 1e-8
    full = rotated.copy()
    full[1, 1, 1] = 1.0
    ratio, _ = redistribution(rotated, full, np.ones(rotated.shape, bool))
    assert ratio.max() <= 1.01 * LARGEST_RATIO
    with pytest.raises(SolverError, match="no power"):
        redistribution(rotated, 0 * full, np.ones(rotated.shape, bool))


COARSE_FULL = Numerics(spacing_mm=2.0, resolve_every_s=60.0, fidelity="full-wave", full_wave_spacing_mm=1.0)


@pytest.fixture(scope="module")
def checked():
    """Phantom, antenna beside the canal, the solve on 1 mm cells: its numbers are rough, what follows from them not."""
    case = phantom_case(spacing_mm=1.5)
    treatment = constant_power(15.0, 60.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vertherm.planning.predict.FINE_WAVE_MM", 1.0)
        patch.setattr("vertherm.planning.predict.FINE_HEAT_MM", 2.0)
        result = predict(case, treatment, default_protocol(), COARSE_FULL, workers=1, run_members=(NOMINAL,))
    return case, treatment, result


def test_the_check_is_said_and_takes_the_factor_away(checked):
    case, treatment, result = checked
    assert "converged" in result.assessment.models["full-wave check"]
    assert "no local SAR factor" in result.assessment.models["full-wave check"]
    assert "full_wave" in result.assessment.timings_s
    setup = make_setup(case, treatment, default_protocol(), COARSE_FULL)
    _, before = plan_runs(case, treatment, default_protocol(), COARSE_FULL, setup, ())
    _, after = plan_runs(case, treatment, default_protocol(), COARSE_FULL, replace(setup, full_wave="run"), ())
    assert (len(before), max(t.member.sar_factor for t in before)) == (12, 3.0)
    assert (len(after), max(t.member.sar_factor for t in after)) == (8, 1.0)


def test_the_field_bends_around_the_canal(checked):
    """CSF beside bone: sigma times |E|^2 of a field that does not bend is too much inside the canal.

    A uniform field across a cylinder of higher permittivity is weaker inside it, by 2 over 1 + e_in / e_out
    (squared 0.2 for CSF in bone); along the cylinder it is unchanged. So the power in the canal lies between 0.2 and 1
    times the rotated one, and what the canal loses the rest gains.
    """
    case, treatment, _ = checked
    setup = with_full_wave(make_setup(case, treatment, default_protocol(), COARSE_FULL), spacing_mm=1.0)
    said = re.search(r"neural cells take ([\d.]+) times the power", setup.full_wave)
    assert said is not None
    assert 0.2 < float(said[1]) < 1.0
    near = np.linalg.norm(setup.tissue.grid.centres() - np.array(TIP_MM), axis=-1) < 8.0
    assert setup.first.redistribution[near].mean() == pytest.approx(1.0, abs=0.3)


def test_a_coarser_grid_takes_the_redistribution_over(checked):
    """Linear interpolation: a ratio that rises evenly along x is met to rounding at every coarse cell centre inside."""
    case, treatment, _ = checked
    fine = make_setup(case, treatment, default_protocol(), COARSE_FULL)
    coarse = make_setup(case, treatment, default_protocol(), COARSE_FULL.model_copy(update={"spacing_mm": 3.0}))
    ramp = (1.0 + 0.01 * fine.tissue.grid.centres()[..., 0]).astype(np.float32)
    given = replace(fine, emitters=(replace(fine.first, redistribution=ramp),), full_wave="run")
    found = carried_over(coarse, given)
    assert found.full_wave == "run"
    centres = coarse.tissue.grid.centres()
    inner = np.abs(centres - fine.tissue.grid.centres().reshape(-1, 3).mean(axis=0)).max(axis=-1) < 20.0
    assert inner.any()
    expected = 1.0 + 0.01 * centres[..., 0]
    assert found.first.redistribution == pytest.approx(np.where(inner, expected, found.first.redistribution), abs=1e-4)
    assert carried_over(coarse, replace(fine, full_wave="run")).first.redistribution is None


def test_a_solve_that_does_not_converge_leaves_the_factor(checked, monkeypatch):
    def fail(*_, **__):
        raise SolverError("The full-wave solve did not reach its steady state.")

    monkeypatch.setattr("vertherm.planning.full_wave.with_full_wave", fail)
    case, treatment, _ = checked
    result = predict(case, treatment, default_protocol(), COARSE_FULL, workers=1, run_members=(NOMINAL,))
    assert any("keep the local SAR factor" in note for note in result.assessment.notes)
    assert result.assessment.models["full-wave check"].startswith("not run")


def test_coarse_cells_leave_the_factor(checked, monkeypatch):
    """The accuracy of the solve is shown for 0.5 mm only: with coarser cells its field is used and the factor stays."""
    case, treatment, _ = checked
    setup = replace(make_setup(case, treatment, default_protocol(), COARSE_FULL), full_wave="run")
    monkeypatch.setattr("vertherm.planning.full_wave.with_full_wave", lambda *_, **__: setup)
    found, notes = full_wave_setup(setup, default_protocol(), COARSE_FULL, 1, silent)
    assert "too coarse" in notes[0]
    assert found.full_wave == ""
    fine = COARSE_FULL.model_copy(update={"spacing_mm": 1.0, "full_wave_spacing_mm": 0.5})
    found, notes = full_wave_setup(setup, default_protocol(), fine, 1, silent)
    assert found is setup
    assert "no local SAR factor" in notes[0]


def test_neural_cells_beyond_the_block_keep_the_factor():
    """A block of 80 mm does not hold the whole canal of a long heat grid: there the factor stands for the field."""
    case = phantom_case(spacing_mm=1.5)
    treatment = constant_power(15.0, 60.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    setup = make_setup(case, treatment, default_protocol(), COARSE_FULL)
    solved = with_full_wave(setup, spacing_mm=1.0, factor_beyond=3.0)
    points = setup.tissue.grid.centres().reshape(-1, 3)[setup.neural_cells]
    # Half the block, and 4 mm for where along the needle its centre lies.
    far = np.abs(points - setup.first.trajectory.point_mm(8.0)).max(axis=1) > 44.0
    ratio = solved.first.redistribution.reshape(-1)[setup.neural_cells]
    assert far.any()
    assert (ratio[far] == 3.0).all()


def test_sub_cells_lie_in_their_cells():
    """Corner of the cell (0, 0, 0) at -1 mm, 2 mm cells, 2 parts: sub-cells at -0.5 and 0.5 mm; mean over 8 of them."""
    grid = Grid((2, 3, 4), np.diag([2.0, 2.0, 2.0, 1.0]))
    fine = sub_grid(grid, 2)
    assert fine.shape == (4, 6, 8)
    assert np.allclose(fine.world([[0, 0, 0], [1, 1, 1]]), [[-0.5] * 3, [0.5] * 3])
    assert np.allclose(fine.bounds(), grid.bounds())
