"""The power by time chart: what is marked lies where its numbers say, and it can be read in words.

Layout: arrays are [power][time]; time in seconds runs to the right, power in watts upwards; cells end half-way between
neighbouring samples.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from tests.report import fabricated_plan
from tests.report.test_pictures import texts
from vertherm.report import chart as charts
from vertherm.report import style
from vertherm.report.chart import chart_words, draw_power_time


def test_chart_marks_the_chosen_cell() -> None:
    """The star's data coordinates are (300 s, 30 W); the cell there is allowed, its edges are at ±30 s and ±2.5 W."""
    chart = fabricated_plan.chart()
    figure, _ = draw_power_time(chart, synthetic=True)
    star = next(line for line in figure.axes[0].lines if line.get_gid() == "chosen")
    assert (float(star.get_xdata()[0]), float(star.get_ydata()[0])) == (300.0, 30.0)
    assert "chosen: 30 W, 5:00" in texts(figure)
    np.testing.assert_allclose(charts.edges(np.array(chart.time_s))[4:6], [270, 330])
    none, _ = draw_power_time(fabricated_plan.chart(chosen=None), synthetic=True)
    assert not [line for line in none.axes[0].lines if line.get_gid() == "chosen"]


def test_border_encloses_exactly_the_allowed_cells() -> None:
    """One allowed cell of 3 x 3: four segments around it, at its edges."""
    allowed = np.zeros((3, 3), bool)
    allowed[1, 2] = True
    grid = {"power_w": [10.0, 20.0, 30.0], "time_s": [60.0, 120.0, 180.0], "chosen": None}
    flat = np.linspace(0, 1, 9).reshape(3, 3).tolist()
    chart = fabricated_plan.chart(
        **grid, p_covered=flat, p_limit=flat, p_warn=flat, coverage=flat, binding=[["skin"] * 3] * 3,
        allowed=allowed.tolist(),
    )  # fmt: skip
    figure, _ = draw_power_time(chart, synthetic=True)
    border = next(item for item in figure.axes[0].collections if item.get_gid() == "allowed")
    corners = np.concatenate(border.get_segments())
    assert len(border.get_segments()) == 4
    assert sorted({tuple(c) for c in corners}) == [(150.0, 15.0), (150.0, 25.0), (210.0, 15.0), (210.0, 25.0)]


def test_chart_says_when_nothing_is_allowed_and_names_what_binds_by_region() -> None:
    none = fabricated_plan.chart(allowed=np.zeros((11, 10), bool).tolist(), chosen=None)
    said = texts(draw_power_time(none, synthetic=True)[0])
    assert "NO POWER AND TIME ON THIS CHART KEEPS EVERY LIMIT" in said
    assert "first: skin" in said
    assert "first: root L3 right" in said
    assert chart_words(none)[0] == "None of the 110 doses keeps every limit."
    figure, _ = draw_power_time(fabricated_plan.chart(), synthetic=True)
    places = {t.get_text(): t.get_position() for t in figure.axes[0].texts if t.get_text().startswith("first")}
    assert places["first: skin"][1] > 42 > places["first: root L3 right"][1]


def test_chart_carries_marks_units_and_sample_number() -> None:
    for synthetic in (True, False):
        said = texts(draw_power_time(fabricated_plan.chart(), synthetic=synthetic)[0])
        assert said.count("RESEARCH ONLY") == 1
        assert (style.SYNTHETIC_MARK in said) == synthetic
        assert "n = 59" in said
        assert "forward power (W)" in said
        assert "5:00" in said


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1)])
def test_small_charts_are_drawn_all_the_same(shape: tuple[int, int]) -> None:
    p = np.full(shape, 0.4).tolist()
    chart = fabricated_plan.chart(
        power_w=np.linspace(20, 30, shape[0]).tolist(), time_s=np.linspace(60, 90, shape[1]).tolist(), p_covered=p,
        p_limit=p, p_warn=p, coverage=p, binding=np.full(shape, "").tolist(), allowed=np.ones(shape, bool).tolist(),
        chosen=None,
    )  # fmt: skip
    said = texts(draw_power_time(chart, synthetic=True)[0])
    assert "NO POWER" not in said
    assert "most likely reaches the goal: 40.0 %" in chart_words(chart)[0]


def test_words_name_the_best_allowed_dose() -> None:
    """Allowed: 10 W (0.2) and 20 W (0.7); 30 W (1.0) is refused. The best allowed is 20 W."""
    chart = fabricated_plan.chart(
        power_w=[10.0, 20.0, 30.0], time_s=[60.0], p_covered=[[0.2], [0.7], [1.0]], p_limit=[[0.0], [0.01], [0.9]],
        p_warn=[[0.0], [0.01], [0.9]], coverage=[[0.2], [0.7], [1.0]], binding=[["skin"]] * 3,
        allowed=[[True], [True], [False]], chosen=(20.0, 60.0),
    )  # fmt: skip
    said = " ".join(chart_words(chart))
    assert "2 of 3 doses keep every limit; of these, 20 W for 1:00 most likely reaches the goal: 70.0 %." in said
    assert "skin (100 % of the refused doses)" in said
    assert "Chosen: 20.0 W for 1:00." in said


def test_words_on_a_small_region_do_not_cover_each_other() -> None:
    """All lines of equal probability run through the two smallest doses: their percentages meet there."""
    share = np.clip(np.add.outer(np.arange(6.0), np.arange(9.0)) / 2.0, 0.0, 1.0).tolist()
    chart = fabricated_plan.chart(
        power_w=np.linspace(10, 60, 6).tolist(), time_s=np.linspace(60, 600, 9).tolist(), chosen=(20.0, 60.0),
        p_covered=share, p_limit=share, p_warn=share, coverage=share, binding=[["canal"] * 9] * 6,
        allowed=np.zeros((6, 9), bool).tolist(),
    )  # fmt: skip
    figure, _ = draw_power_time(chart, synthetic=True)
    drawing: Any = figure.canvas
    renderer = drawing.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert len(boxes) >= 3
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
