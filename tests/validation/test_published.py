"""Published experiments without their costly runs: the data are those of the paper, the statistics are right, missing
data never pass, and the forward model they rest on runs (one coarse, short case)."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vertherm.validation import published, published_he2010, published_soft, published_spine
from vertherm.validation.published_he2010 import Study, errors, grouped_rank_correlation, table, trends


def test_the_table_is_the_papers() -> None:
    """28 non-cooled and 34 cooled rows, 62 in all (the paper's totals); spot checks of four cells."""
    rows = table()
    assert len(rows) == 62
    assert sum(row.kind == "non-cooled" for row in rows) == 28
    assert sum(row.kind == "internally cooled" for row in rows) == 34
    cells = {(r.model[:2], r.kind, r.power_w, r.time_s): (r.short_mm, r.long_mm) for r in rows}
    assert len(cells) == 62
    assert cells["ex", "non-cooled", 30.0, 360.0] == (19.0, 48.0)
    assert cells["ex", "internally cooled", 50.0, 960.0] == (45.0, 55.0)
    assert cells["in", "non-cooled", 60.0, 600.0] == (30.0, 55.0)
    assert cells["in", "internally cooled", 60.0, 1200.0] == (35.0, 50.0)
    assert sum(row.fitted for row in rows) == 12


def fabricated(offset_mm: float, order: int = 1) -> Study:
    """A study whose prediction is the measurement plus a constant, or in reverse order."""
    rows = tuple(row for row in table() if row.kind == "internally cooled")
    measured = np.array([(r.short_mm, r.long_mm) for r in rows])
    return Study("internally cooled", rows, order * measured + offset_mm, 0.6, 0.1, 0.4, 0.8)


def test_errors_and_trends_of_known_predictions() -> None:
    """3 mm too large throughout: mean 3, root mean square 3, worst 3, rank correlation 1. 6 mm: mean fails its 5 mm."""
    for model in published_he2010.START_C:
        rows = errors(fabricated(3.0), model)
        assert [row.got for row in rows] == pytest.approx([3.0] * 6)
        assert all(row.passed for row in rows)
        assert [row.got for row in trends(fabricated(3.0), model)] == pytest.approx([1.0] * 3)
        mean, rms, worst = errors(fabricated(6.0), model)[:3]
        assert not mean.passed
        assert not rms.passed
        assert worst.passed
        assert not any(row.passed for row in trends(fabricated(99.0, -1), model))


def test_errors_that_cancel_are_still_errors() -> None:
    """+4 and -4 mm in turn over an even number of zones: mean 0, root mean square 4, worst 4."""
    one = fabricated(0.0)
    in_vivo = "in vivo canine liver"
    sign = np.zeros(len(one.rows))
    sign[one.chosen(in_vivo, 0)] = np.tile([1.0, -1.0], 8)
    rows = errors(replace(one, predicted_mm=one.measured_mm + 4.0 * sign[:, None]), in_vivo)
    assert [row.got for row in rows[:2]] == pytest.approx([0.0, 4.0])
    assert abs(rows[2].got or 0.0) == pytest.approx(4.0)


def test_fitted_short_axes_are_not_counted_as_predicted() -> None:
    """Ex vivo 40 W short axes are left out of the errors (6 of 18), their long axes are not."""
    one = fabricated(0.0)
    ex_vivo = "ex vivo porcine liver"
    assert one.chosen(ex_vivo, 0).sum() == 12
    assert one.chosen(ex_vivo, 1).sum() == 18
    assert one.chosen("in vivo canine liver", 0).sum() == 16


def test_a_group_that_does_not_vary_has_no_trend() -> None:
    assert math.isnan(published_he2010.rank_correlation(np.ones(4), np.arange(4.0)))
    both = np.array([1.0, 2.0, 3.0, 3.0, 2.0, 1.0])
    group = np.array([0, 0, 0, 1, 1, 1])
    assert grouped_rank_correlation(both, np.array([1.0, 2, 3, 1, 2, 3]), group) == pytest.approx(0.0)


def test_margin_temperature_of_a_constant_curve() -> None:
    """Held at T, omega reaches 1 at that T; at 40 degC (below the model's range) never."""
    times = np.arange(0.0, 601.0, 1.0)
    assert published_soft.end_temperature_c(times, np.full(601, 60.0)) == pytest.approx(60.0)
    assert published_soft.end_temperature_c(times, np.full(601, 40.0)) is None


def test_a_faster_rise_ends_hotter() -> None:
    """Ramps of 0.05 and 0.5 K/s through the margin: the faster one is hotter when omega is 1 (Mertyna's trend)."""
    slow, fast = (
        published_soft.end_temperature_c(np.arange(0.0, n), 20.0 + rate * np.arange(0.0, n))
        for rate, n in ((0.05, 1600.0), (0.5, 200.0))
    )
    assert slow is not None
    assert fast is not None
    assert fast - slow > 3.0


def test_dielectric_curve_rows_pass() -> None:
    """Ji and Brace's curve at five temperatures to the rounding of the derived values; the rest did not run."""
    rows = published_soft.ji_brace_cases()
    assert [row.passed for row in rows] == [True] * 10 + [False] * 4


def test_missing_data_never_pass_and_say_what_is_missing() -> None:
    rows = [*published_soft.missing_cases(), *published_spine.missing_cases()]
    assert len(rows) >= 7
    for row in rows:
        assert not row.passed
        assert row.got is None
        assert row.known.startswith(("not run: data missing", "not run: cement is not built yet"))


def test_figures_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both figures, twice the same bytes."""
    monkeypatch.setattr(published_he2010, "studies", lambda: (fabricated(2.0), fabricated(-2.0)))
    found = published.figures(tmp_path)
    assert [f.path.name for f in found] == ["published_he2010.svg", "published_he2010_time.svg"]
    before = [f.path.read_bytes() for f in found]
    assert [f.path.read_bytes() for f in published.figures(tmp_path)] == before
    assert all(f.caption and f.title for f in found)


def test_evidence_states_what_is_unknown() -> None:
    for word in ("Antenna geometry", "frequency", "n = 1", "not count as passed"):
        assert word in published.EVIDENCE.unknown
