"""The report of a sampled ensemble: what decides is said, numbers with their rule, maps with all their marks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.report import fabricated
from tests.report.test_html import Page
from vertherm.geometry.volume import Volume
from vertherm.planning.assessment import Assessment, EnsembleRow, FailedRow, ParameterRow, Percentile, Probability
from vertherm.planning.percentiles import rule
from vertherm.planning.scene import ProbabilityField, Scene
from vertherm.report import style, words
from vertherm.report.html import Pictures, draw, render
from vertherm.report.pictures import Painter
from vertherm.report.probability import draw_probability

CHANCE = Probability(events=3, samples=59, failed=0, estimate=3 / 59, low=0.0106, high=0.1416)


POWER = ParameterRow(
    name="power", distribution="normal", unit="1", nominal=1.0, source="a <test>", certainty="guess"
)  # fmt: skip


def percentile(bound: float, failed: int = 0) -> Percentile:
    return Percentile(
        estimate=bound - 0.7, bound=bound, confidence=0.9515, samples=59, failed=failed, rule=rule(59, "upper", 1, True)
    )


def assessment(failed: int = 0) -> Assessment:
    plain = fabricated.assessment()
    rows = [
        row.model_copy(update={"p95_temperature_c": percentile(44.4, failed), "p95_cem43_min": percentile(7.7),
                               "probability_warn": CHANCE, "probability_stop": CHANCE})
        if row.peak_temperature_c else row for row in plain.structures
    ]  # fmt: skip
    metrics = [
        metric.model_copy(update={"p5_coverage": percentile(0.97), "p5_margin_mm": percentile(-1.2),
                                  "probability_covered": CHANCE, "probability_margin": CHANCE})
        for metric in plain.targets[0].metrics
    ]  # fmt: skip
    ensemble = EnsembleRow(
        samples=59, runs=119, seed=4, readings="every sample twice", values=[],
        safety_rule="95 % confidence bound of the 95th percentile (Wilks)",
        coverage_rule="95 % confidence bound of the 5th percentile (Wilks)",
        parameters=[POWER],
        failed=[FailedRow(member="sample 7, safety", status="failed: lost worker")] * failed,
    )  # fmt: skip
    target = plain.targets[0].model_copy(update={"metrics": metrics})
    return plain.model_copy(update={"structures": rows, "targets": [target], "ensemble": ensemble})


def scene() -> Scene:
    """Probability falls from 1 in the middle to 0 at 20 mm."""
    plain = fabricated.scene()
    grid = plain.peak_c.grid
    away = np.linalg.norm(grid.centres() - fabricated.TARGET, axis=-1)
    share = np.clip(1.0 - away / 20.0, 0.0, 1.0).astype(np.float32)
    field = ProbabilityField("isotherm_50", "50 °C isotherm", Volume(share, grid), 59)
    return dataclasses.replace(plain, probabilities=(field,))


def test_page_says_what_decides_and_what_failed() -> None:
    text = Page(render(assessment(failed=1), Pictures())).text
    assert "STOP: a stop limit is reached by the 95 % confidence bound of the 95th percentile (Wilks)" in text
    assert "the worst member" not in text.replace("in the worst member", "")
    assert "sample 7, safety" in text
    assert "lost worker" in text
    assert "1 runs failed" in text
    assert "a <test>" in text, "escaped, not taken for a tag"
    assert "44.4" in text
    assert "95 % confidence bound of the 95th percentile: largest of 59 independent samples (wilks)" in text.lower()
    assert "5 % (1.1 to 14.2 %; 3 of 59)" in text
    assert "UNVERIFIED" in text


def test_page_without_samples_has_no_trace_of_them() -> None:
    text = Page(render(fabricated.assessment(), Pictures())).text
    assert "Sampled ensemble" not in text
    assert "95th percentile" not in text


def test_map_has_its_marks() -> None:
    """Orientation letters, level, synthetic and research marks, number of samples, colour bar, lesion outline."""
    painter = Painter(assessment(), scene())
    figure, title = draw_probability(painter, scene().probabilities[0])
    planes, bar = figure.axes[:3], figure.axes[3]
    said = [{text.get_text() for text in ax.texts} for ax in planes]
    assert {"R", "L", "A", "P"} <= said[0]
    assert {"A", "P", "S", "I"} <= said[2]
    for texts in said:
        assert {"n = 59", assessment().level, style.SYNTHETIC_MARK} <= texts
    left = next(t for t in planes[0].texts if t.get_gid() == "mark-left")
    assert left.get_text() == "R", "the patient's right is on the left of the picture"
    assert [t.get_text() for t in bar.get_yticklabels()][-1] == "100 %"
    assert "59 samples" in title
    drawn = [c.get_edgecolor() for ax in planes for c in ax.collections]
    assert len({str(np.asarray(c)[0].tolist()) for c in drawn if len(c)}) >= 2, "contours and lesion"


def test_map_shows_the_share_where_it_is() -> None:
    """Share 1 - r / 20 mm: the 50 % line of the axial plane is a circle of 10 mm around the target, to 0.5 mm."""
    painter = Painter(assessment(), scene())
    figure, _ = draw_probability(painter, scene().probabilities[0])
    circles = []
    for collection in figure.axes[0].collections:
        for path in collection.get_paths():
            if len(path.vertices) > 20:
                circles.append(np.hypot(*(path.vertices - path.vertices.mean(axis=0)).T).mean())
    assert any(radius == pytest.approx(10.0, abs=0.5) for radius in circles), circles


def test_map_is_drawn_into_the_report() -> None:
    pictures = draw(assessment(), scene())
    assert len(pictures.probabilities) == 1
    assert "level L3" in pictures.probabilities[0].alt
    assert pictures.probabilities[0] in pictures.all()


def test_chances_in_words() -> None:
    assert words.chance(None) == words.UNKNOWN
    assert (
        words.chance(CHANCE.model_copy(update={"estimate": 0.0, "low": 0.0, "events": 0}))
        == "0 % (0.0 to 14.2 %; 0 of 59)"
    )
