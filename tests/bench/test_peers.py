"""Contestants of the work-precision benchmark: same problem, honest errors, honest rows."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vertherm.bench import work_precision
from vertherm.bench.peers import ours, voxel_c
from vertherm.bench.peers.outcome import Outcome
from vertherm.bench.peers.problem import closed_form_c, homogeneous, vertebra
from vertherm.bench.peers.reference import reference, solve
from vertherm.bench.peers.sampling import fill, solids_table
from vertherm.bench.peers.worker import Entry, measure, work


def need(module: str) -> None:
    """Absent: a skip with its reason on a user's machine, a failure where CI=true."""
    if importlib.util.find_spec(module) is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"{module} is missing")
        pytest.skip(f"{module} is not installed")


def worst(outcome: Outcome) -> float:
    """Largest error in K over probes and times."""
    return float(np.abs(outcome.temperature_c - reference(vertebra()).temperature_c).max())


def test_sampled_solids_are_the_problem_s_own() -> None:
    """Sub-points filled by the compiled loop = regions by the plain formula, in a turned frame, at every sub-point."""
    problem, n, s, spacing = vertebra(), 14, 2, 4.0
    index = np.empty((n * s,) * 3, np.uint8)
    first = np.full(3, -0.5 * (n - 1) * spacing)
    fill(index, solids_table(problem), problem.frame, np.array(problem.centre_mm), first, spacing, s, 0, n)
    axis = first[0] - 0.5 * spacing + spacing / s * (np.arange(n * s) + 0.5)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1) - np.array(problem.centre_mm)
    local = points @ problem.frame.T
    assert np.array_equal(index, problem.region(np.hypot(local[..., 0], local[..., 1]), local[..., 2]))
    assert set(np.unique(index)) == {0, 1, 2, 3, 4}
    assert np.allclose(problem.frame @ problem.frame.T, np.eye(3))


def test_reference_code_reproduces_the_closed_form() -> None:
    """Axisymmetric finite volumes at 0.8 mm, Gaussian source: closed form within (0.8 / 0.4)^2 times the 0.039 K that
    0.4 mm leaves, 0.155 K; tolerance 0.2 K. Halved spacing: a quarter of the error (second order), 0.2-0.3.
    """
    problem = homogeneous()
    truth = closed_form_c(problem)
    coarse, fine = (np.abs(solve(problem, h, 2.0) - truth).max() for h in (1.6, 0.8))
    assert fine < 0.2
    assert 0.2 < fine / coarse < 0.3


def test_stored_reference_is_what_the_code_computes() -> None:
    """A coarse run (0.8 mm, 3 s) beside the stored 0.1 mm one: 0.25 K, the sum of its own Richardson estimates."""
    problem = vertebra()
    stored = reference(problem)
    assert stored.error_k < 0.02
    assert np.abs(solve(problem, 0.8, 3.0) - stored.temperature_c).max() < 0.25


def test_a_changed_problem_refuses_the_stored_reference() -> None:
    with pytest.raises(ValueError, match="another problem"):
        reference(replace(vertebra(), power_w=11.0))


def test_ours_is_within_its_stated_error() -> None:
    """2 mm cells, fourth order: 0.32 K recorded; tolerance 0.45 K. Second order 0.85 K: 0.6 to 1.1 K."""
    assert worst(ours.run(vertebra(), 2.0)) < 0.45
    assert 0.6 < worst(ours.run(vertebra(), 2.0, order=2)) < 1.1


def test_the_shut_down_matters() -> None:
    """With flow that never stops the middle of the tumour is more than 5 K colder: the shut-down decides the case."""
    problem = vertebra()
    living = tuple(replace(s, material=replace(s.material, damaged=False)) for s in problem.solids)
    changed = replace(problem, solids=living, arrhenius=None)
    drop = reference(problem).temperature_c[2, 0] - solve(changed, 0.8, 3.0)[2, 0]
    assert drop > 5.0


def test_ngsolve_is_within_its_stated_error() -> None:
    """Order 3, 2,600 elements: 0.22 K recorded; tolerance 0.4 K. A peer that is badly run is no peer."""
    need("ngsolve")
    from vertherm.bench.peers import ngsolve_peer

    tuning = ngsolve_peer.Tuning(order=3, hot_mm=3.5, fine_mm=12.0, far_mm=48.0, grading=0.7, tolerance=2e-3)
    assert worst(ngsolve_peer.run(vertebra(), tuning)) < 0.4


def test_scikit_fem_is_within_its_stated_error() -> None:
    """Quadratic bricks of 4.5 mm: 0.5 K at most (0.13 K at 3 mm)."""
    from vertherm.bench.peers import skfem_peer

    assert worst(skfem_peer.run(vertebra(), skfem_peer.Tuning(fine_mm=4.5, step_s=15.0))) < 0.5


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
def test_plain_c_is_within_its_stated_error(tmp_path: Path) -> None:
    """2 mm cells, second order in space like ours without the correction: 0.85 K and explicit Euler's share."""
    library, why = voxel_c.compile_library(tmp_path)
    assert library is not None, why
    assert worst(voxel_c.run(vertebra(), 2.0, library=library)) < 1.3


def test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row has its columns and is JSON; a peer that is not there says so; ours has a time and an error."""
    monkeypatch.delenv("VERTHERM_PEER_BABEL", raising=False)
    entries = [Entry("vertherm", "vertebra", {"spacing_mm": 4.0}), Entry("babelviscofdtd", "homogeneous")]
    monkeypatch.setattr(work_precision, "_quick", lambda: entries)
    found = work_precision.rows(quick=True)
    json.dumps(found, allow_nan=False)
    assert all({"name", "value", "unit", "ratio", "note"} <= set(row) for row in found)
    mine = found[0]
    assert mine["value"] > 0
    assert mine["peak_mb"] > 10
    assert 0 < mine["error_k"] < 5
    if importlib.util.find_spec("BabelViscoFDTD") is None:
        assert found[1]["value"] is None
        assert found[1]["note"].startswith("not run: BabelViscoFDTD did not run")


def test_a_missing_peer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without NGSolve the contestant raises ImportError, and its process ends in a row with the reason."""
    monkeypatch.setitem(sys.modules, "ngsolve", None)
    with pytest.raises(ImportError):
        work(Entry("ngsolve", "vertebra", {"order": 1, "hot_mm": 9.0, "fine_mm": 16.0}))
    found = measure(Entry("vertherm", "vertebra", {"spacing_mm": -1.0}))
    assert found["reason"].startswith("not run: ")


def test_missing_compiler_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert voxel_c.compile_library(tmp_path) == (None, "not run: no C compiler (gcc) found")


def _run(who: str, error_k: float, seconds: float) -> dict[str, object]:
    columns = dict.fromkeys(("value", "steps_s", "cpu_s"), seconds)
    return {"who": who, "problem": "vertebra", "threads": 1, "error_k": error_k, **columns}


def test_times_at_equal_error() -> None:
    """Two runs, 0.4 K in 1 s and 0.1 K in 4 s: on the line through them in logarithms 0.2 K costs 2 s.

    A run that another beats in error and time does not count; an error nobody reaches gives None; one that even the
    cheapest run keeps gives that run.
    """
    runs = [_run("a", 0.4, 1.0), _run("a", 0.1, 4.0), _run("a", 0.5, 3.0)]
    assert work_precision.front(runs) == [(0.4, 1.0), (0.1, 4.0)]
    assert work_precision.time_at(runs, 0.2) == pytest.approx(2.0)
    assert work_precision.time_at(runs, 0.05) is None
    assert work_precision.time_at(runs, 1.0) == 1.0


def test_ratio_is_the_peer_s_time_over_ours() -> None:
    runs = [
        _run("vertherm", 0.2, 1.0),
        _run("vertherm", 0.1, 2.0),
        _run("ngsolve", 0.2, 5.0),
        _run("ngsolve", 0.1, 8.0),
    ]
    named = {row["name"]: row["ratio"] for row in work_precision.comparisons(runs)}
    assert named["vertebra: total at 0.2 K, vertherm beside ngsolve, 1 thread"] == pytest.approx(5.0)
    assert named["vertebra: total at 0.1 K, vertherm beside ngsolve, 1 thread"] == pytest.approx(4.0)
