"""When the antenna is solved again: intervals fill the activation, begin short, grow, and never pass the longest."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertherm.heat.coupling import GROWTH, solve_intervals


@given(st.floats(0.5, 3600.0), st.floats(1.0, 60.0), st.floats(5.0, 300.0))
def test_intervals_fill_the_activation(duration_s: float, first_s: float, longest_s: float) -> None:
    found = solve_intervals(duration_s, first_s, longest_s)
    assert sum(found) == pytest.approx(duration_s, rel=1e-9)
    assert min(found) > 0.0
    assert max(found) <= longest_s + 1e-6
    if first_s < longest_s and duration_s > 1.5 * first_s:
        assert found[0] == first_s
    growing = [b / a for a, b in pairwise(found)]
    assert max(growing, default=1.0) <= 1.5 * GROWTH * (1.0 + 1e-9) or first_s >= longest_s


def test_a_first_interval_that_is_no_shorter_gives_equal_ones() -> None:
    assert solve_intervals(60.0, 30.0, 25.0) == [20.0, 20.0, 20.0]


def test_a_short_activation_is_solved_often_at_first() -> None:
    assert solve_intervals(20.0, 5.0, 25.0) == pytest.approx([5.0, 6.5, 8.5])
