"""Tissue properties, bone by CT number, and the list of unverified values."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vertherm.core.errors import InputError, MissingValueError
from vertherm.materials.constants import constants
from vertherm.materials.tissue import (
    bone_classes,
    cancellous_by_hu,
    damage_certainty,
    mixture,
    tissue,
    tissue_names,
    tissue_note,
)
from vertherm.materials.unverified import used_unverified


def test_a_known_row_arrives_unchanged():
    """IT'IS cancellous bone and Gabriel's cancellous row."""
    bone = tissue("cancellous_bone")
    assert (bone.density, bone.heat_capacity, bone.conductivity) == (1178.33, 2274.0, 0.3125)
    assert bone.perfusion == pytest.approx(2237, abs=0.5)
    assert bone.metabolic == pytest.approx(0.464607 * 1178.33)
    assert bone.permittivity(2.45e9) == pytest.approx((18.549, 0.8051), rel=1e-4)
    assert bone.unverified == ("water_fraction", "damage")


def test_nerve_like_tissues_never_get_skin_or_liver_damage():
    for name in ("spinal_cord", "nerve", "dura"):
        assert tissue(name).damage == "nerve_hoogeveen"
    assert tissue("skin").damage == "skin"


def test_lytic_tumour_is_the_marked_midpoint():
    """Facts 3.4: between infiltrated marrow (10.31 / 0.459) and muscle (52.73 / 1.739); all of it marked a guess."""
    tumour = tissue("lytic_tumour")
    assert tumour.permittivity(2.45e9) == pytest.approx((31.52, 1.0988), rel=1e-3)
    assert {"conductivity", "perfusion", "permittivity", "water_fraction"} <= set(tumour.unverified)
    ranges = dict(tumour.quantities)
    assert ranges["permittivity"].low == pytest.approx(10.3, rel=0.02)
    assert ranges["permittivity"].high == pytest.approx(52.7, rel=0.02)
    assert ranges["conductivity"].low == pytest.approx(0.31, rel=0.02)
    assert ranges["conductivity"].high == pytest.approx(0.57, rel=0.02)


def test_proxies_are_marked_and_explained():
    for name, field in (("bowel", "conductivity"), ("kidney", "permittivity"), ("soft_tissue", "density")):
        assert field in tissue(name).unverified
    assert "bowel" in tissue_note("bowel")
    for name in tissue_names():
        if "damage" in tissue(name).unverified:
            assert damage_certainty(name) in ("R", "guess")


def test_air_and_metal_absorb_nothing():
    for name in ("air", "metal", "pmma"):
        assert tissue(name).permittivity(2.45e9)[1] == 0.0
    assert tissue("air").permittivity(915e6) == (1.0, 0.0)


def test_blood_has_no_pennes_term():
    """A vessel cools by a held temperature or not at all: a Pennes term there would cool in the safety variant too."""
    assert tissue("blood").perfusion == 0.0


def test_mixture_keeps_mass_and_heat():
    """Per volume: rho, rho c, rho w, k and perfusion of a mixture are the volume means (exact)."""
    a, b = tissue("muscle"), tissue("cortical_bone")
    m = mixture("m", ((a, 0.3), (b, 0.7)))
    assert m.volumetric_heat_capacity == pytest.approx(
        0.3 * a.volumetric_heat_capacity + 0.7 * b.volumetric_heat_capacity
    )
    assert m.density * m.water_fraction == pytest.approx(
        0.3 * a.density * a.water_fraction + 0.7 * b.density * b.water_fraction
    )
    assert m.conductivity == pytest.approx(0.3 * a.conductivity + 0.7 * b.conductivity)


def test_bone_by_ct_number_meets_its_anchors_and_is_monotonic_in_density():
    classes = bone_classes()
    assert len(classes) == 32
    assert len({entry.variant for entry in classes}) == 32
    assert {entry.name for entry in classes} == {"cancellous_bone"}
    assert (np.diff([entry.density for entry in classes]) > 0).all()
    assert cancellous_by_hu(-1000).density == tissue("yellow_marrow").density
    assert cancellous_by_hu(5000).density == pytest.approx(tissue("cortical_bone").density)
    # One class is (1300 + 60) / 31 = 44 HU wide: within half a class of the anchor's own properties.
    near = cancellous_by_hu(constants("hu_cancellous").value)
    assert near.permittivity(2.45e9)[1] == pytest.approx(tissue("cancellous_bone").permittivity(2.45e9)[1], rel=0.08)


def test_denser_wet_bone_has_lower_permittivity():
    """Irastorza 2014: above the cancellous anchor permittivity and conductivity fall with density."""
    values = [cancellous_by_hu(hu).permittivity(2.45e9) for hu in (250, 500, 800, 1100, 1300)]
    assert all(a[0] > b[0] and a[1] > b[1] for a, b in itertools.pairwise(values))


def test_unknown_tissue():
    with pytest.raises(MissingValueError, match="vocabulary"):
        tissue("vertebra")


def test_unverified_rows_name_value_range_source_and_certainty():
    rows = used_unverified(
        [tissue("muscle"), tissue("lytic_tumour"), cancellous_by_hu(200), cancellous_by_hu(600)],
        constant_names=["perfusion_rise_factor", "latent_heat_water"],
        drying_id="sigmoid",
    )
    names = [row.name for row in rows]
    assert len(names) == len(set(names))
    assert "water fraction of muscle" in names
    assert "permittivity of lytic tumour" in names
    assert "hu cancellous" in names
    assert "water fraction of cortical bone" in names
    assert "perfusion rise factor" in names
    assert "latent heat water" not in names, "it was read in a source"
    assert "drying curve in tissues other than liver" in names
    assert "damage model of muscle" in names
    for row in rows:
        assert row.certainty in ("R", "guess")
        assert row.source
        assert set(row.as_row()) == {"name", "value", "unit", "range", "source", "certainty"}


def test_nothing_unverified_in_liver():
    """Liver is the one tissue measured throughout; the drying curve is its own, but said to be transferred."""
    assert used_unverified([tissue("liver")]) == ()
    assert [row.name for row in used_unverified([tissue("liver")], drying_id="water")] == ["drying floor"]
    with pytest.raises(InputError):
        used_unverified([], drying_id="magic")
