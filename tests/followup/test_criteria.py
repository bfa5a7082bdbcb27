"""Named criteria on made-up courses; the numbers are those of criteria.toml."""

from __future__ import annotations

import numpy as np
import pytest

from vertherm.followup.criteria import Measure, mda, recist
from vertherm.followup.diameters import Diameters, diameters
from vertherm.geometry.volume import Grid
from vertherm.imaging.synthetic_followup import Ellipsoid


def course(*longest: float, soft_tissue: bool | None = True, error_mm: float = 0.5) -> list[Measure]:
    return [Measure(f"e{i}", Diameters(d, d, d**3 / 2000.0, 0.0), soft_tissue, error_mm) for i, d in enumerate(longest)]


@pytest.mark.parametrize(
    ("longest", "response"),
    [
        ((20.0, 20.0), "sd"),
        ((20.0, 14.0), "pr"),
        ((20.0, 14.1), "sd"),
        ((20.0, 0.0), "cr"),
        ((20.0, 25.0), "pd"),
        ((20.0, 24.9), "sd"),
        ((30.0, 20.0, 25.0), "pd"),
        ((30.0, 20.0, 24.9), "sd"),
        ((30.0, 0.0, 4.0), "pd"),
        ((40.0, 45.0), "sd"),
        ((40.0, 48.0), "pd"),
        ((9.9, 30.0), "ne"),
        ((20.0,), "ne"),
    ],
)
def test_recist(longest: tuple[float, ...], response: str) -> None:
    """20 % and 5 mm above the smallest, 30 % below the first; 10 mm to be measurable."""
    assert recist(course(*longest)).response == response


def test_recist_needs_a_soft_tissue_component() -> None:
    for said in (None, False):
        found = recist(course(20.0, 40.0, soft_tissue=said))
        assert found.response == "ne"
        assert "soft-tissue" in found.words


@pytest.mark.parametrize(
    ("longest", "response"),
    [((20.0, 20.0), "sd"), ((20.0, 22.4), "pd"), ((20.0, 22.3), "sd"), ((20.0, 14.1), "pr"), ((20.0, 0.0), "cr")],
)
def test_mda(longest: tuple[float, ...], response: str) -> None:
    """Product of diameters: 25 % above the smallest, 50 % below the first."""
    assert mda(course(*longest)).response == response


def test_a_rise_within_the_error_of_measurement_is_said() -> None:
    assert "within the error" in mda(course(10.0, 11.5, error_mm=1.0)).words
    assert "within the error" not in mda(course(10.0, 16.0, error_mm=1.0)).words


def test_every_suggestion_names_its_source_and_how_sure_it_is() -> None:
    assert "recalled" in recist(course(20.0, 20.0)).source
    assert "recalled" in mda(course(20.0, 20.0)).source


@pytest.mark.parametrize("angle_deg", [0.0, 17.0, 60.0])
def test_diameters_of_an_ellipsoid(angle_deg: float) -> None:
    """2a and 2b in the axial plane, however it is turned: 0.7 mm at 1 mm (a smooth surface rounds both ends)."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    body = Ellipsoid((0.2, -0.3, 0.1), (11.0, 7.0, 5.0), ((c, s, 0.0), (-s, c, 0.0), (0.0, 0.0, 1.0)))
    size = diameters(body.mask(Grid.isotropic(np.full(3, -16.0), np.full(3, 16.0), 1.0)))
    assert size.longest_mm == pytest.approx(22.0, abs=0.7)
    assert size.perpendicular_mm == pytest.approx(14.0, abs=0.5)
    assert size.volume_ml == pytest.approx(body.volume_ml, rel=0.02)
