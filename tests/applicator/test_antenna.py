from __future__ import annotations

import copy
import math
import tomllib
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest

from vertherm.applicator.antenna import antenna_names, load_antenna, parse_antenna
from vertherm.applicator.mesh import TISSUE, antenna_mesh
from vertherm.core.errors import InputError, MissingValueError

NAMES = antenna_names()


def raw(name):
    return tomllib.loads(files("vertherm.applicator").joinpath("data", f"{name}.toml").read_text("utf-8"))


def test_catalogue_holds_the_published_antennas_at_both_frequencies():
    assert {"coaxial_slot", "ji_brace_monopole", "longo_choke", "tosoratti_mini_choke"} <= set(NAMES)
    frequencies = {f for name in NAMES for f in load_antenna(name).frequencies_hz}
    assert frequencies == {2.45e9, 915e6}


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_is_complete_and_says_what_is_missing(name):
    antenna = load_antenna(name)
    assert antenna.name == name
    assert antenna.source
    assert antenna.missing, "each entry must say what its source does not give"
    assert "cable loss" in antenna.unverified
    if antenna.certainty in ("R", "guess"):
        assert "geometry" in antenna.unverified
    assert {c.cooled for c in antenna.coolings.values()} == {True, False}
    cooled = next(c for c in antenna.coolings.values() if c.cooled)
    assert cooled.film_coefficient_w_m2k.certainty == "guess"
    assert cooled.from_mm.value > 0
    for material in antenna.materials.values():
        for quantity in (material.resistivity, material.permittivity, material.loss_tangent):
            assert quantity is None or (quantity.unit and quantity.source)


@pytest.mark.parametrize("name", NAMES)
def test_meshed_areas_are_the_areas_of_the_parts(name):
    """Formula: a dielectric part's area from its polygon, minus later parts; the mesh must hit it to rounding, cones
    included. Tolerance 1e-9 relative: edges are represented exactly, never stair-stepped."""
    antenna = load_antenna(name)
    mesh = antenna_mesh(antenna, radius_mm=50, below_mm=45, above_mm=60)
    a, b, c = (mesh.points[:, mesh.triangles[k]] * 1e3 for k in range(3))
    area = 0.5 * np.abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]))
    # Everything outside the antenna's outline is tissue: domain minus the outline integrated piecewise linearly.
    corners = sorted({min(z, 60.0) for p in antenna.parts for _, z in p.corners_mm})
    outline = 0.0
    for z0, z1 in pairwise(corners):
        ends = antenna.outer_radius_mm(np.array([z0 + 1e-9, z1 - 1e-9]), 60.0)
        outline += ends.mean() * (z1 - z0)
    assert area[mesh.part == TISSUE].sum() == pytest.approx(50 * 105 - outline, rel=1e-8)
    assert area.min() > 0


def test_cone_of_the_catheter_is_cut_exactly():
    """Layout: catheter cone of case A, from the axis at z 0 to r 0.895 at z 0.5 mm: area 0.895 * 0.5 / 2."""
    antenna = load_antenna("coaxial_slot")
    mesh = antenna_mesh(antenna, radius_mm=30, below_mm=9.5, above_mm=70.5)
    catheter = next(i for i, p in enumerate(antenna.parts) if p.name == "catheter")
    a, b, c = (mesh.points[:, mesh.triangles[k]] * 1e3 for k in range(3))
    area = 0.5 * np.abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]))
    below = (mesh.part == catheter) & (np.maximum.reduce([a[1], b[1], c[1]]) <= 0.5 + 1e-9)
    assert area[below].sum() == pytest.approx(0.895 * 0.5 / 2, rel=1e-9)


def test_point_location_agrees_with_the_triangles():
    antenna = load_antenna("coaxial_slot")
    mesh = antenna_mesh(antenna, radius_mm=30, below_mm=9.5, above_mm=70.5)
    centre = mesh.points[:, mesh.triangles].mean(axis=1)
    assert np.array_equal(mesh.locate(centre[0], centre[1]), np.arange(mesh.triangles.shape[1]))
    assert mesh.locate(np.array([0.05e-3, 31e-3]), np.array([20e-3, 0.0])).tolist() == [-1, -1]


def test_impedance_and_attenuation_of_the_line():
    """Formula: Z = eta0 ln(b/a) / (2 pi sqrt(eps)) = 52.50 ohm for case A; alpha by the surface resistance of copper,
    sqrt(pi f mu0 rho) = 12.75 mohm, gives 0.184 Np/m (hand calculation; 0.5 %)."""
    antenna = load_antenna("coaxial_slot")
    assert antenna.line_impedance_ohm() == pytest.approx(52.50, abs=0.01)
    assert antenna.line_attenuation_np_m(2.45e9) == pytest.approx(0.184, rel=5e-3)
    assert antenna.shaft_loss_w_m(2.45e9, 60.0) == pytest.approx(2 * 0.184 * 60, rel=5e-3)
    ratio = antenna.line_attenuation_np_m(915e6) / antenna.line_attenuation_np_m(2.45e9)
    assert ratio == pytest.approx(math.sqrt(915 / 2450), rel=1e-9)


def test_cooling_variants():
    assert load_antenna("coaxial_slot", "cooled").cooled
    assert not load_antenna("coaxial_slot", "uncooled").cooled
    assert load_antenna("coaxial_slot").key == load_antenna("coaxial_slot", "cooled").key
    with pytest.raises(InputError, match="cooling"):
        load_antenna("coaxial_slot", "liquid helium")


def test_unknown_antenna_lists_the_known_ones():
    with pytest.raises(InputError, match="coaxial_slot"):
        load_antenna("no such antenna")


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("source"),
        lambda d: d["cable_loss"].pop("value"),
        lambda d: d["cable_loss"].update(certainty="sure"),
        lambda d: d["materials"]["ptfe"].pop("permittivity"),
        lambda d: d["materials"].pop("copper"),
        lambda d: d["port"].pop("inner_radius_mm"),
        lambda d: d["cooling"]["cooled"].pop("film_coefficient"),
        lambda d: d["parts"][0].pop("material"),
    ],
)
def test_missing_values_are_refused(damage):
    data = copy.deepcopy(raw("coaxial_slot"))
    damage(data)
    with pytest.raises(MissingValueError):
        parse_antenna(data, "damaged.toml")


def test_contradicting_shaft_radius_is_refused():
    data = raw("coaxial_slot")
    data["shaft_radius_mm"] = 1.2
    with pytest.raises(InputError, match="shaft radius"):
        parse_antenna(data, "damaged.toml")
