"""The cement's benchmark: every row has a number, and the peer solved the same system."""

from __future__ import annotations

import numpy as np

from vertherm.bench import cement
from vertherm.cement.strength.system import System, solve


def test_rows_name_size_and_agreement() -> None:
    rows = cement.rows(quick=True)
    assert all(row["value"] > 0 for row in rows)
    names = [row["name"] for row in rows]
    ours, peer = (next(n for n in names if n.startswith(start)) for start in ("strength", "SuperLU"))
    assert ours.split(", ")[1] == peer.split(", ")[1]
    by_name = {row["name"]: row for row in rows}
    assert by_name[peer]["ratio"] == by_name[peer]["value"] / by_name[ours]["value"]
    assert "apart" in by_name[ours]["note"]


def test_the_direct_solution_is_that_of_the_same_system() -> None:
    """6 mm voxels, moduli 1 : 1000, 1 % between plates: both solutions to 1e-6 of the largest displacement."""
    system = System(cement.body(6.0), 6.0, 0.3)
    fixed, given = cement.between_plates(system.nodal, 0.3)
    exact = cement.DirectSolution(system, fixed, given).solve()
    found, _ = solve(system, fixed, given, tolerance=1e-9)
    assert np.abs(found - exact).max() < 1e-6 * np.abs(exact).max()
    assert exact[:, :, -1, 2].min() == -0.3
