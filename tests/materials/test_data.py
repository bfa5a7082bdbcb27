"""The data tables: nothing is a dummy, everything has a source, a unit, a range and a certainty."""

from __future__ import annotations

import math
import runpy
from pathlib import Path

import pytest

from vertherm.core.errors import MissingValueError
from vertherm.materials.constants import all_constants, constants
from vertherm.materials.quantity import CERTAINTIES, Quantity, number, read_quantities, read_table, worst_certainty
from vertherm.materials.tissue import THERMAL_FIELDS, tissue, tissue_names

VOCABULARY = [
    "air",
    "muscle",
    "fat",
    "skin",
    "cortical_bone",
    "cancellous_bone",
    "red_marrow",
    "yellow_marrow",
    "csf",
    "spinal_cord",
    "nerve",
    "dura",
    "disc",
    "blood",
    "kidney",
    "liver",
    "lung",
    "bowel",
    "water",
    "co2",
    "saline",
    "dextrose",
    "lytic_tumour",
    "blastic_tumour",
    "mixed_tumour",
    "pmma",
    "metal",
    "soft_tissue",
]

ONE_ON_PURPOSE = {"perfusion_stop_omega", "eps_floor"}
"""Omega = 1 is the definition of the stop; the relative permittivity of vacuum is 1."""

ZERO_ON_PURPOSE = {
    "Cerebrospinal Fluid": {"perfusion_ml_min_kg", "metabolic_w_kg", "perfusion_w_m3k"},
    "Water": {"perfusion_ml_min_kg", "metabolic_w_kg", "perfusion_w_m3k"},
    "Carbon dioxide": {"perfusion_ml_min_kg", "metabolic_w_kg", "perfusion_w_m3k"},
    "Saline 0.9 %": {"perfusion_ml_min_kg", "metabolic_w_kg", "perfusion_w_m3k"},
    "Dextrose 5 %": {"perfusion_ml_min_kg", "metabolic_w_kg", "perfusion_w_m3k"},
    "Air": {"perfusion_ml_min_kg", "metabolic_w_kg", "perfusion_w_m3k"},
    "PMMA": {"perfusion_ml_min_kg", "metabolic_w_kg", "perfusion_w_m3k"},
    "Titanium alloy": {"perfusion_ml_min_kg", "metabolic_w_kg", "perfusion_w_m3k"},
    "Blood": {"metabolic_w_kg"},
}
"""Nothing flows through or lives in these; the table gives blood no metabolism."""


def _all_quantities() -> dict[str, Quantity]:
    found = {**all_constants(), **read_quantities("drying")}
    for name in tissue_names():
        found.update({f"{name}.{field}": quantity for field, quantity in tissue(name).quantities})
    return found


def test_every_quantity_is_finite_and_documented():
    quantities = _all_quantities()
    assert len(quantities) > 200
    for name, quantity in quantities.items():
        assert math.isfinite(quantity.value), name
        assert quantity.unit, name
        assert len(quantity.source) >= 12, name
        assert quantity.certainty in CERTAINTIES, name


def test_ranges_hold_their_value_and_unverified_values_have_one():
    for name, quantity in _all_quantities().items():
        if quantity.low is None or quantity.high is None:
            # Only what was read in a source may do without.
            assert quantity.verified, name
            continue
        assert quantity.low <= quantity.value <= quantity.high, name
        if not quantity.verified and quantity.value != 0:
            assert quantity.low < quantity.high, name


def test_no_constant_is_a_dummy():
    for name, quantity in {**all_constants(), **read_quantities("drying")}.items():
        assert quantity.value != 0, name
        assert quantity.value != 1.0 or name in ONE_ON_PURPOSE, name


def test_thermal_table_has_no_dummy_and_its_perfusion_columns_agree():
    """Pennes coefficient = flow (mL/min/kg) 1e-6/60 rho rho_b c_b with blood 1049.75 kg/m3, 3617 J/kgK; the table's
    own rounding to six digits allows 1e-4."""
    for row in read_table("thermal"):
        key = row["key"]
        for column in [c for _, c, _ in THERMAL_FIELDS] + ["perfusion_ml_min_kg"]:
            value = number(row, column, key)
            assert value > 0 or column in ZERO_ON_PURPOSE.get(key, set()), (key, column)
            assert value != 1.0, (key, column)
        flow, density = number(row, "perfusion_ml_min_kg", key), number(row, "density_kg_m3", key)
        expected = flow * 1e-6 / 60.0 * density * 1049.75 * 3617.0
        assert number(row, "perfusion_w_m3k", key) == pytest.approx(expected, rel=1e-4), key


def test_the_vocabulary_is_complete_and_no_two_numbers_are_swapped():
    assert sorted(tissue_names()) == sorted(VOCABULARY)
    # A column mix-up shows as a value outside what condensed matter has.
    for name in VOCABULARY:
        t = tissue(name)
        if name in ("air", "co2"):  # gases
            continue
        assert 300 < t.density < 5000, name
        assert 500 < t.heat_capacity < 4300, name
        assert 0.15 < t.conductivity < 7, name
        assert 0 <= t.water_fraction <= 1, name


def test_missing_constant_names_who_must_supply_it():
    with pytest.raises(MissingValueError, match=r"constants\.csv"):
        constants("no_such_constant")


def test_missing_number_in_a_table_is_an_error_not_a_default():
    with pytest.raises(MissingValueError, match="density"):
        number({"density": ""}, "density", "row x")
    with pytest.raises(MissingValueError):
        number({}, "density", "row x")


def test_worst_certainty_is_the_least_sure():
    assert worst_certainty("S", "guess", "D") == "guess"
    assert worst_certainty("S", "R") == "R"
    assert worst_certainty("S", "D") == "D"
    assert not Quantity(1, "1", None, None, "", "R").verified
    assert Quantity(1, "1", 0, 2, "", "D").range_text == "0 - 2"


def test_the_page_of_constants_is_current():
    """docs/reference/constants.md shows what the tables hold; run docs/fill_constants.py after a change."""
    docs = Path(__file__).parents[2] / "docs"
    written = runpy.run_path(str(docs / "fill_constants.py"))["page"]()
    assert (docs / "reference" / "constants.md").read_text("utf-8") == written
