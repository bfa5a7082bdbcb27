"""The porous medium: shell, defects, veins, sites; and the laws behind it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.cement import boxes
from vertherm.cement.spread import FlowSample, flow_space
from vertherm.cement.vertebra import (
    CANAL,
    DISC,
    FORAMEN,
    INSIDE,
    PARAVERTEBRAL,
    VEIN,
    heterogeneity,
    opening_cells,
    porous_medium,
    shell,
)
from vertherm.materials.bone_density import flow_constant
from vertherm.materials.bone_flow import through_shell, trabecular_permeability, vein_permeability


def test_permeability_follows_kozeny_and_carman() -> None:
    """K / K0 = (phi / phi0)^3 ((1 - phi0) / (1 - phi))^2, exact by definition; K = K0 at the reference."""
    reference = flow_constant("porosity_reference").value
    k0 = flow_constant("permeability_reference").value
    assert trabecular_permeability(reference) == pytest.approx(k0, rel=1e-6)
    expected = k0 * (0.8 / reference) ** 3 * ((1 - reference) / 0.2) ** 2
    assert trabecular_permeability(0.8) == pytest.approx(expected, rel=1e-5)


def test_a_layer_of_shell_is_a_resistance_in_series() -> None:
    """h / K = (h - t) / K1 + t / K2, exact; a shell a thousand times tighter decides alone."""
    found = float(through_shell(1e-9, 1e-12, 0.4, 1.0))
    assert found == pytest.approx(1.0 / (0.6 / 1e-9 + 0.4 / 1e-12), rel=1e-6)


def test_a_vein_conducts_by_poiseuille() -> None:
    """pi r^4 / (8 h^2): twice the radius, sixteen times the flow."""
    assert vein_permeability(1.0, 1.0) == pytest.approx(np.pi / 8.0 * 1e-6)
    assert vein_permeability(1.0, 1.0) / vein_permeability(0.5, 1.0) == pytest.approx(16.0)


def test_sites_are_where_they_were_put() -> None:
    sites = boxes.scene().sites
    assert sites[25, 29, 19] == INSIDE
    assert sites[20, 10, 5] == CANAL
    assert sites[10, 12, 20] == FORAMEN
    assert sites[25, 29, 3] == DISC
    assert sites[48, 38, 28] == PARAVERTEBRAL
    # What the basivertebral vein carries through the posterior wall is in the canal; beside the body it is in a vein.
    assert sites[25, 16, 19] == sites[26, 16, 20] == CANAL
    assert VEIN in (sites[45, 29, 19], sites[45, 29, 20])


def test_the_shell_is_the_dense_surface() -> None:
    found = boxes.scene()
    wall = shell(found, 0.0, 110.0)
    inner = (slice(11, 41), slice(19, 41), slice(9, 31))
    surface = found.bone.copy()
    surface[inner] = False
    assert (wall == surface).all()


def test_a_lesion_through_the_wall_opens_it() -> None:
    found = boxes.with_lesion(boxes.scene(), (25, 20, 19), 6.0)
    wall = shell(found, 0.0, 110.0)
    assert not wall[25, 18, 19]
    assert wall[12, 18, 19]
    medium = porous_medium(found, boxes.even())
    closed = porous_medium(boxes.scene(), boxes.even())
    assert medium.permeability_m2[25, 18, 19] > 1e3 * closed.permeability_m2[25, 18, 19]


def test_a_wall_that_looks_thin_everywhere_counts_as_destroyed() -> None:
    """The largest density nearby decides: 60 mg/cm3 in shell and marrow lie below the 110 of the rule."""
    found = boxes.scene(density_mg_cm3=60.0, shell_mg_cm3=60.0)
    assert not shell(found, 0.0, 110.0).any()
    assert shell(found, 0.0, 50.0).any()


def test_ablated_lesion_gives_way_more_easily() -> None:
    found = boxes.with_lesion(boxes.scene(), (25, 30, 19), 5.0)
    ablated = replace(found, ablated=found.lesion)
    sample = boxes.even()
    ratio = porous_medium(ablated, sample).permeability_m2 / porous_medium(found, sample).permeability_m2
    assert ratio[found.lesion] == pytest.approx(sample.ablated_factor, rel=1e-5)
    assert ratio[found.bone & ~found.lesion] == pytest.approx(1.0)


def test_neighbouring_bone_is_closed() -> None:
    found = boxes.scene()
    other = np.zeros(boxes.SHAPE, bool)
    other[10:42, 18:42, 36:] = True
    medium = porous_medium(replace(found, other_bone=other), boxes.even())
    assert (medium.permeability_m2[other] == 0).all()
    assert (medium.porosity[other] == 0).all()


def test_veins_start_inside_and_end_outside() -> None:
    found = boxes.scene()
    for cells in found.veins:
        held = found.bone.reshape(-1)[cells]
        assert held.any()
        assert not held.all()
    assert replace(found, frame=None).veins == ()


def test_the_pattern_is_even_where_its_spread_is_nothing() -> None:
    sample = boxes.even()
    assert heterogeneity((20, 20, 20), 1.0, sample) == pytest.approx(1.0)
    uneven = heterogeneity((30, 30, 30), 1.0, replace(sample, heterogeneity_sd=0.6))
    assert float(np.log(uneven).std()) == pytest.approx(0.6, rel=1e-3)
    assert (uneven == heterogeneity((30, 30, 30), 1.0, replace(sample, heterogeneity_sd=0.6))).all()


def test_opening_cells_lie_around_the_tip() -> None:
    found = boxes.scene()
    tip = found.grid.world([25, 30, 20])
    cells = opening_cells(found, tip, 1.6)
    points = found.grid.world(np.stack(np.unravel_index(cells, boxes.SHAPE), axis=-1))
    assert len(cells) > 7
    assert float(np.linalg.norm(points - tip, axis=-1).max()) <= 1.6


def test_a_sample_carries_its_numbers() -> None:
    space = flow_space(density_error_mg_cm3=10.0, tip_error_mm=1.5, tip_source="a test")
    drawn = FlowSample.of(space.sample([0.5] * len(space.parameters)))
    assert drawn.permeability_factor == pytest.approx(1.0, rel=0.3)
    assert drawn.tip_mm == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    assert {p.certainty for p in space.parameters} <= {"S", "D", "R", "guess"}
