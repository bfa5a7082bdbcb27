"""The percentage is 100 x sum / (5 x answered), worked out by hand; fewer than eight answers give none."""

from __future__ import annotations

import pytest

from vertherm.clinical import odi
from vertherm.core.errors import InputError


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([0] * 10, 0.0),
        ([5] * 10, 100.0),
        ([1, 2, 3, 4, 5, 0, 1, 2, 3, 4], 50.0),
        # One unanswered: 16 of 45 points.
        ([3, 2, 1, 2, 2, 1, 2, None, 1, 2], 100 * 16 / 45),
        ([2, 2, 2, 2, 2, 2, 2, 2, None, None], 40.0),
        ([2, 2, 2, 2, 2, 2, 2, None, None, None], None),
        ([None] * 10, None),
    ],
)
def test_percent(items: list[int | None], expected: float | None) -> None:
    found = odi.percent(items)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-12))


@pytest.mark.parametrize("items", [[1] * 9, [1] * 11, [6] + [1] * 9, [-1] + [1] * 9, [1.5] + [1] * 9, [True] + [1] * 9])
def test_what_is_no_answer_is_refused(items: list) -> None:
    with pytest.raises(InputError):
        odi.percent(items)


@pytest.mark.parametrize(
    ("value", "code"),
    [(0, "minimal"), (20, "minimal"), (20.5, "moderate"), (41, "severe"), (60, "severe"), (61, "crippled"),
     (80, "crippled"), (81, "bed_bound"), (100, "bed_bound")],
)  # fmt: skip
def test_bands(value: float, code: str) -> None:
    assert odi.band(value) == code


def test_bands_are_marked_as_recalled_and_bounded() -> None:
    assert not any(term.verified for term in odi.BANDS.terms)
    for outside in (-0.1, 100.1):
        with pytest.raises(InputError):
            odi.band(outside)
