"""Each row is one patient whose response follows from the definition's wording, limits and missing values included."""

from __future__ import annotations

import numpy as np
import pytest

from vertherm.clinical import pain_response as response

NAN = float("nan")


def same(found: np.ndarray, expected: list[float]) -> None:
    np.testing.assert_array_equal(found, np.array(expected))


def test_two_points() -> None:
    same(response.fell_by_points([7, 7, 7, 1, NAN, 7], [5, 5.1, 9, 0, 2, NAN]), [1, 0, 0, 0, NAN, NAN])


def test_limits_hold_despite_rounding_of_decimals() -> None:
    # 5.1 - 3.1 is below 2 in floating point; the patient's scale says 2.
    assert 5.1 - 3.1 < 2.0
    same(response.fell_by_points([5.1], [3.1]), [1])


@pytest.mark.parametrize(("share", "expected"), [(0.3, [1, 0, 1, NAN, NAN]), (0.5, [0, 0, 1, NAN, NAN])])
def test_share_of_the_score(share: float, expected: list[float]) -> None:
    same(response.fell_by_share([10, 10, 8, 0, NAN], [7, 7.5, 4, 0, 1], share), expected)


def test_by_score_alone() -> None:
    # Zero; two points; half without two points; neither; no pain before.
    same(response.by_score([1, 8, 3, 8, 0], [0, 6, 1.5, 7, 0]), [1, 1, 1, 0, NAN])


def test_integrated_needs_pain_or_opioids_to_fall_alone() -> None:
    before, after = [7, 7, 5, 5, 5, 7], [5, 5, 5, 5, 7, 5]
    dose_before, dose_after = [40, 40, 40, 40, 40, 40], [40, 50, 20, 21, 10, NAN]
    same(response.integrated(before, after, dose_before, dose_after), [1, 0, 1, 0, 0, NAN])


@pytest.mark.parametrize(
    ("before", "after", "dose_before", "dose_after", "expected"),
    [
        (7, 0, 40, 40, "complete"),
        (7, 0, 40, 20, "complete"),
        (7, 0, 0, 0, "complete"),
        (7, 0, 40, 45, "indeterminate"),
        (7, 5, 40, 40, "partial"),
        (7, 5, 40, 41, "indeterminate"),
        (7, 6, 40, 30, "partial"),
        (7, 7, 40, 30, "partial"),
        (7, 7, 40, 31, "indeterminate"),
        (7, 8, 40, 30, "indeterminate"),
        (7, 6, 40, 40, "indeterminate"),
        (5, 7, 40, 40, "progression"),
        (5, 7, 40, 60, "progression"),
        (5, 7, 40, 30, "indeterminate"),
        (5, 6, 40, 50, "progression"),
        (5, 5, 0, 10, "progression"),
        (5, 5, 40, 49, "indeterminate"),
        (5, 4, 40, 60, "indeterminate"),
        (5, 5, 0, 0, "indeterminate"),
        (0, 0, 0, 0, "indeterminate"),
        (NAN, 0, 0, 0, "not_evaluable"),
        (7, NAN, 0, 0, "not_evaluable"),
        (7, 0, NAN, 0, "not_evaluable"),
        (7, 0, 0, NAN, "not_evaluable"),
    ],
)
def test_consensus(before: float, after: float, dose_before: float, dose_after: float, expected: str) -> None:
    assert response.consensus(before, after, dose_before, dose_after).tolist() == [expected]


def test_consensus_gives_only_codes_of_its_vocabulary_and_is_marked_recalled() -> None:
    rng = np.random.default_rng(0)
    pain, dose = rng.integers(0, 11, (2, 5000)), rng.integers(0, 9, (2, 5000)) * 10.0
    found = response.consensus(pain[0], pain[1], dose[0], dose[1])
    assert set(found) == set(response.CONSENSUS.codes) - {"not_evaluable"}
    assert not any(term.verified for term in response.CONSENSUS.terms[:4])
    # A complete response is at least a partial one by points, wherever two points can fall.
    assert response.fell_by_points(pain[0], pain[1])[(found == "complete") & (pain[0] >= 2)].all()
