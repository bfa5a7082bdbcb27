"""Words about where a result lies against published ones: below, within, above, and not comparable."""

from __future__ import annotations

import pytest

from tests.report import fabricated_cement as made
from vertherm.planning.assessment import Banded
from vertherm.planning.cement.document import CuringStructureRow, TargetCement
from vertherm.planning.cement.published import beside_published


def leaking(share: float) -> TargetCement:
    """A target in which that share of the samples leaks anywhere, at every volume."""
    curve = made.leakage_curve()
    any_leak = {"any": [share] * len(curve.volume_ml)}
    lines = {name: {**getattr(curve, name), **any_leak} for name in ("probability", "low", "high")}
    return made.target(curve=curve.model_copy(update=lines), curing=None, strength=None)


@pytest.mark.parametrize(("share", "place"), [(0.02, "below"), (0.07, "within"), (0.3, "within"), (0.6, "above")])
def test_leaks_are_placed_and_low_ones_explained(share: float, place: str) -> None:
    (said,) = beside_published(leaking(share))
    assert f"{place} the 7% to 40%" in said
    assert ("does not predict the rate of a series" in said) == (place == "below")


def canal(peak_c: float, ablation_c: float | None) -> CuringStructureRow:
    row = made.curing().structures[0]
    band = Banded(value=peak_c, low=peak_c - 1.0, high=peak_c + 1.0)
    return row.model_copy(update={"name": "canal", "curing_peak_c": band, "ablation_peak_c": ablation_c})


@pytest.mark.parametrize(("peak", "place"), [(38.0, "below"), (45.0, "within"), (60.0, "above")])
def test_curing_from_body_temperature_is_placed_among_cadavers(peak: float, place: str) -> None:
    curing = made.curing().model_copy(update={"structures": [canal(peak, None)]})
    (said,) = beside_published(made.target(curing=curing, curve=None, strength=None))
    assert f"{place} the 39 to 57 °C" in said
    assert "43.2 °C" in said


def test_curing_on_top_of_an_ablation_is_not_compared() -> None:
    curing = made.curing().model_copy(update={"structures": [canal(60.0, 80.0)]})
    (said,) = beside_published(made.target(curing=curing, curve=None, strength=None))
    assert "they do not compare" in said


def test_what_was_not_computed_is_not_placed() -> None:
    assert beside_published(made.target(curing=None, curve=None, strength=None)) == []
