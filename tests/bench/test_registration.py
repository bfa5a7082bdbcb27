"""The registration's benchmark: rows complete, errors right, verdicts said, the peer comes home from a near start."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vertherm.bench.registration import CONTESTANTS, Result, judged, made_pair, rows, rows_of
from vertherm.bench.registration_peer import by_simpleitk
from vertherm.followup.registration_pairs import made_subject


@pytest.fixture(scope="module")
def pair() -> object:
    return made_pair(made_subject(2.0), 0, near=True)


def test_the_error_is_zero_for_the_truth_and_the_shift_for_a_shift(pair: object) -> None:
    """A transform 3 mm and 4 mm off along two axes is 5 mm off everywhere; none at all is infinitely off."""
    off = pair.truth.matrix.copy()
    off[:2, 3] += (3.0, 4.0)
    assert judged(pair, lambda p: (p.truth.matrix, True)).error_mm == pytest.approx(0.0, abs=1e-9)
    assert judged(pair, lambda _: (off, True)).error_mm == pytest.approx(5.0)
    assert judged(pair, lambda _: (None, None)).error_mm == np.inf


def test_the_start_is_near_but_not_the_truth(pair: object) -> None:
    error = judged(pair, lambda p: (p.start, None)).error_mm
    assert 0.2 < error < 8.0


def test_both_contestants_come_home_from_a_near_start(pair: object) -> None:
    """Voxels of 1.5 mm from a phantom of 2 mm: within half a millimetre, whatever the verdict."""
    errors = {name: judged(pair, contestant).error_mm for name, contestant in CONTESTANTS.items()}
    assert max(errors.values()) < 0.5, errors


def test_the_peer_gives_up_where_there_is_nothing(pair: object) -> None:
    away = np.eye(4)
    away[:3, 3] = 1000.0
    assert by_simpleitk(pair.planning, pair.followup, pair.vertebra, away) is None


def test_rows_of_a_group() -> None:
    """Medians, worst, shares, ratio of the peer over ours; what was not recognised is counted."""
    found = {
        "vertherm": [Result(0.1, True, 2.0, 1.0), Result(0.7, True, 2.0, 1.0), Result(9.0, False, 2.0, 1.0)],
        "SimpleITK": [Result(0.2, None, 6.0, 5.0), Result(3.0, None, 6.0, 5.0), Result(np.inf, None, 6.0, 5.0)],
    }
    got = {row["name"]: row for row in rows_of("group", found)}
    json.dumps(list(got.values()), allow_nan=False)
    assert got["SimpleITK group"]["ratio"] == pytest.approx(3.0)
    assert got["vertherm median error of group"]["value"] == pytest.approx(0.7)
    assert got["vertherm share below 0.5 mm of group"]["value"] == pytest.approx(1 / 3)
    assert got["vertherm share below 1.0 mm of group"]["value"] == pytest.approx(2 / 3)
    assert got["SimpleITK worst error of group"]["value"] is None
    assert got["vertherm group"]["note"] == "2 of 3 accepted; 1 off by more than 1 mm, 1 recognised"
    assert "no verdict: 2 of 3" in got["SimpleITK group"]["note"]


def test_rows_of_the_phantom_name_it() -> None:
    found = rows(quick=True)
    json.dumps(found, allow_nan=False)
    assert len(found) == 5 * len(CONTESTANTS)
    assert all({"name", "value", "unit", "ratio", "cpu_s", "note"} == set(row) for row in found)
    assert all("torso phantom" in row["name"] for row in found)
