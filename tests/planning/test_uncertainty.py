"""What a sample changes: exactly what it says, in the direction that physics gives, and nothing impossible.

Layout of the runs: torso phantom (1.5 mm voxels), needle through the right pedicle, heat cells of 3 mm within 30 mm:
coarse, because every test compares a run with another of the same grid.
"""

from __future__ import annotations

import csv
import pickle
from dataclasses import fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.planning.conftest import ENTRY_MM, TIP_MM
from vertherm.core.errors import InputError
from vertherm.ensemble.distributions import Parameter, Space, Value
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.member import Member
from vertherm.heat.setup import Setup
from vertherm.planning.case import Numerics
from vertherm.planning.evaluate import LesionOnGrid, evaluate
from vertherm.planning.objects import Case
from vertherm.planning.outcome import MemberOutcome
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.protocol import Protocol, default_protocol
from vertherm.planning.setup import make_setup
from vertherm.planning.uncertainty import (
    TISSUE_FIELDS,
    Uncertainty,
    checked_space,
    default_space,
    draw,
    in_reading,
    load_space,
    shifted,
    space_for,
)
from vertherm.planning.work import Work, moved

COARSE = Numerics(spacing_mm=3.0, reach_mm=30.0, resolve_every_s=60.0)
SPACE = default_space()


@cache
def case() -> Case:
    """The phantom, its roots marked as placed by a rule."""
    plain = phantom_case(spacing_mm=1.5)
    structures = tuple(replace(s, derived=s.kind.value == "root") for s in plain.anatomy.structures)
    return replace(plain, anatomy=replace(plain.anatomy, structures=structures))


@cache
def setup() -> Setup:
    treatment = constant_power(15.0, 120.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    return make_setup(case(), treatment, default_protocol(), COARSE)


@cache
def uncertainty() -> Uncertainty:
    return Uncertainty.of(setup(), case().anatomy)


@cache
def outcome(reading: str = "safety", **sample: float) -> MemberOutcome:
    """One run of the phantom; keywords are parameters with underscores for spaces."""
    drawn = uncertainty().draw(setup(), {_name(key): value for key, value in sample.items()})
    lesions = tuple(moved(LesionOnGrid(t.name, t.mask), drawn.label_offset_mm) for t in case().targets)
    return evaluate(drawn.setup, in_reading(drawn.member, reading), default_protocol(), lesions)  # type: ignore[arg-type]


def _name(key: str) -> str:
    words = key.replace("_", " ")
    return next(name for name in SPACE.names if name.split(" (")[0] == words)


# data


def test_every_default_says_where_it_comes_from() -> None:
    assert len(SPACE.parameters) > 40
    for parameter in SPACE.parameters:
        assert len(parameter.source) > 15, parameter.name
    changes = {parameter.effect["change"] for parameter in SPACE.parameters}
    for change in ("tissue factor", "power factor", "drying model", "drying shift", "cooling", "tip", "labels",
                   "derived", "damage shift", "local SAR factor"):  # fmt: skip
        assert change in changes
    assert {p.effect["field"] for p in SPACE.parameters if p.effect["change"] == "tissue factor"} == set(TISSUE_FIELDS)


def test_tissue_ranges_are_those_of_the_materials() -> None:
    """One truth: the factors of uncertainty.toml are the rows of materials/data/spread.csv."""
    text = resources.files("vertherm.materials").joinpath("data", "spread.csv").read_text("utf-8")
    spread = {(row["group"], row["field"]): row for row in csv.DictReader(text.splitlines())}
    compared = 0
    for parameter in SPACE.parameters:
        effect = parameter.effect
        tissues = effect.get("tissues", [""])
        group = tissues[0] if (tissues[0], effect.get("field", "")) in spread else "tissue"
        row = spread.get((group, effect.get("field", "")))
        if row is not None:
            compared += 1
            limits = parameter.distribution.low, parameter.distribution.high
            assert limits == (float(row["low_factor"]), float(row["high_factor"])), parameter.name
    assert compared > 25


# what a draw changes


def test_the_nominal_sample_changes_nothing() -> None:
    drawn = uncertainty().draw(setup(), {})
    assert drawn.member == Member()
    assert not drawn.label_offset_mm.any()
    for field in fields(Setup):
        if field.name not in ("start_c", "drying"):
            assert _same(getattr(drawn.setup, field.name), getattr(setup(), field.name)), field.name
    assert drawn.setup.tissue.palette == setup().tissue.palette
    assert drawn.setup.body_c == 37.0
    assert drawn.setup.drying.floor == pytest.approx(0.08)


CHANGED = {
    "tissue factor": {"tissue"},
    "body temperature": {"start_c"},
    "power factor": {"power_factor"},
    "drying shift": {"drying"},
    "drying floor": {"drying"},
    "tip": {"emitters"},
    "labels": {"probes", "neural_cells"},
    "derived": {"probes", "neural_cells"},
    "damage shift": {"damage_shift_k"},
    "power reading": set(),
    "drying model": set(),
    "cooling": set(),
    "local SAR factor": set(),
}


def _other(parameter: Parameter) -> Value:
    values = parameter.distribution.values
    return values[1] if values else parameter.distribution.value(0.99)


@pytest.mark.parametrize("parameter", SPACE.parameters, ids=lambda p: p.name)
def test_each_parameter_changes_exactly_what_it_says(parameter: Parameter) -> None:
    """One parameter at its upper end: of setup and member only its own fields differ, by its own amount."""
    nominal = uncertainty().draw(setup(), {})
    value = _other(parameter)
    only = Uncertainty(SPACE, uncertainty().derived, uncertainty().fixed)
    drawn = only.draw(setup(), {parameter.name: value})
    different = {
        f.name for f in fields(Setup) if not _same(getattr(drawn.setup, f.name), getattr(nominal.setup, f.name))
    }
    change = parameter.effect["change"]
    if change == "tissue factor" and not _in_palette(parameter):
        assert different == set()
        return
    assert different == CHANGED[change]
    expected = {"power reading": {"power"}, "drying model": {"drying"}, "cooling": {"cooling"},
                "local SAR factor": {"sar_factor"}}.get(change, set())  # fmt: skip
    assert {
        f.name for f in fields(Member) if getattr(drawn.member, f.name) != getattr(nominal.member, f.name)
    } == expected
    assert drawn.label_offset_mm.any() == (change == "labels")
    if change == "tissue factor":
        _check_factor(parameter, float(value), drawn.setup)
    if change == "tip":
        expected_mm = np.zeros(3)
        expected_mm[parameter.effect["axis"]] = float(value)
        before, after = setup().first.trajectory, drawn.setup.first.trajectory
        np.testing.assert_allclose(after.tip_mm - before.tip_mm, expected_mm, atol=1e-12)
        np.testing.assert_array_equal(after.entry_mm, before.entry_mm)


def _in_palette(parameter: Parameter) -> bool:
    return any(entry.name in parameter.effect["tissues"] for entry in setup().tissue.palette)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if hasattr(a, "palette"):
        return all(_numbers(x) == _numbers(y) for x, y in zip(a.palette, b.palette, strict=True))
    return bool(a is b or a == b)


def _numbers(entry: Any) -> dict[str, float]:
    eps, sigma = entry.permittivity(2.45e9)
    plain = {name: getattr(entry, name) for name in TISSUE_FIELDS if hasattr(entry, name)}
    return {**plain, "permittivity": eps, "electric_conductivity": sigma}


def _check_factor(parameter: Parameter, factor: float, changed: Setup) -> None:
    for before, after in zip(setup().tissue.palette, changed.tissue.palette, strict=True):
        old, new = _numbers(before), _numbers(after)
        for field in TISSUE_FIELDS:
            hit = before.name in parameter.effect["tissues"] and field == parameter.effect["field"]
            wanted = old[field] * (factor if hit else 1.0)
            wanted = min(wanted, 1.0) if field == "water_fraction" else wanted
            assert new[field] == pytest.approx(wanted, rel=1e-12), (before.name, field)


def test_label_offset_moves_cells_and_lesion_but_not_the_skin() -> None:
    """3 mm cells, 3 mm offset to the right of a derived root: its cells move by one; the dural sac and skin stay."""
    sample = {"derived structure offset x (to the right)": 3.0}
    drawn = uncertainty().draw(setup(), sample).setup
    shape = setup().tissue.grid.shape
    root = next(name for name in uncertainty().derived if name.startswith("root L3") and name in setup().probes)
    before = np.stack(np.unravel_index(setup().probes[root], shape), -1)
    after = np.stack(np.unravel_index(drawn.probes[root], shape), -1)
    np.testing.assert_array_equal(after, before + np.array([1, 0, 0]))
    np.testing.assert_array_equal(drawn.probes["skin"], setup().probes["skin"])
    assert np.isin(drawn.probes[root], drawn.neural_cells).all()
    labelled = uncertainty().draw(setup(), {"label offset x (to the right)": 2.5}).setup
    np.testing.assert_array_equal(labelled.probes["skin"], setup().probes["skin"])
    before = np.stack(np.unravel_index(setup().probes["dural sac"], shape), -1)
    after = np.stack(np.unravel_index(labelled.probes["dural sac"], shape), -1)
    np.testing.assert_array_equal(after, before + np.array([1, 0, 0]))
    lesion = LesionOnGrid("target", case().targets[0].mask)
    shift = moved(lesion, np.array([0.0, 0.0, 2.0])).mask.grid
    np.testing.assert_allclose(shift.affine[:3, 3] - lesion.mask.grid.affine[:3, 3], [0, 0, 2.0])


def test_cells_that_leave_the_grid_are_dropped() -> None:
    cells = np.array([0, 1])  # (0, 0, 0) and (0, 0, 1) of a 2 x 2 x 2 grid
    np.testing.assert_array_equal(shifted(cells, (2, 2, 2), np.array([0.0, 0.0, -1.0])), [0])
    np.testing.assert_array_equal(shifted(cells, (2, 2, 2), np.array([0.0, 0.0, 0.4])), cells)
    np.testing.assert_array_equal(shifted(cells, (2, 2, 2), np.array([5.0, 0.0, 0.0])), cells)


def test_readings_fix_the_cooling() -> None:
    member = Member(cooling="full", sar_factor=2.5)
    assert in_reading(member, "safety") == Member(cooling="none", sar_factor=2.5)
    assert in_reading(member, "coverage") == Member(cooling="full", sar_factor=1.0)


def test_local_factor_goes_with_the_full_wave_check() -> None:
    checked = replace(setup(), full_wave="a solve")
    names = Uncertainty.of(checked, case().anatomy).space.names
    assert "local SAR factor in neural structures" in uncertainty().space.names
    assert "local SAR factor in neural structures" not in names
    _, member = draw(checked, {"local SAR factor in neural structures": 2.0})
    assert member.sar_factor == 1.0


def test_only_what_matters_in_the_case_is_drawn() -> None:
    """A lytic lesion: no blastic or mixed tumour in the space."""
    names = " ".join(uncertainty().space.names)
    assert "lytic tumour" in names
    assert "blastic" not in names
    assert "mixed" not in names


def test_a_net_power_is_not_read_as_forward() -> None:
    """A power measured as net stays net in every sample: read as forward, reflection would cool them all."""
    net = replace(setup(), power_kind="net")
    known = Uncertainty.of(net, case().anatomy)
    assert "meaning of the power" in uncertainty().space.names
    assert "meaning of the power" not in known.space.names
    for u in (0.1, 0.9):
        assert known.draw(net, known.space.sample(np.full(len(known.space.parameters), u))).member.power == "net"


def test_a_safety_reading_holds_the_protocols_local_factor() -> None:
    """A known excess is no matter of chance: an ensemble must not be greener than the standard members."""
    assert in_reading(Member(sar_factor=1.2), "safety", 3.0).sar_factor == 3.0
    assert in_reading(Member(sar_factor=1.2), "coverage", 3.0).sar_factor == 1.0
    assert Work(setup(), default_protocol(), ()).local_factor == default_protocol().local_sar.factor
    assert Work(replace(setup(), full_wave="a solve"), default_protocol(), ()).local_factor == 1.0


def test_a_drawn_setup_travels() -> None:
    drawn = uncertainty().draw(setup(), uncertainty().space.sample(np.full(len(uncertainty().space.parameters), 0.9)))
    again = pickle.loads(pickle.dumps(drawn))
    assert _same(again.setup.tissue, drawn.setup.tissue)
    assert again.member == drawn.member


# physics: which way

ZONE = "cem43_240"


def volume(found: MemberOutcome) -> float:
    return found.zones[ZONE].volume_ml


def test_more_power_a_larger_zone() -> None:
    assert volume(outcome(power=1.15)) > 1.1 * volume(outcome(power=0.85))


def test_more_perfusion_a_smaller_zone() -> None:
    """Blood carries heat away from bone and tumour; with full cooling it also rises with temperature."""
    strong = outcome("coverage", perfusion_of_bone=2.0, perfusion_of_lytic_tumour=4.0)
    weak = outcome("coverage", perfusion_of_bone=0.5, perfusion_of_lytic_tumour=0.25)
    assert volume(strong) < 0.97 * volume(weak)


def test_tip_towards_the_canal_heats_it() -> None:
    """The canal lies behind the tip (smaller y)."""
    nearer, farther = outcome(tip_offset_y=-3.0), outcome(tip_offset_y=3.0)
    assert nearer.structures["canal"].peak_c > farther.structures["canal"].peak_c + 1.0


def test_a_warmer_body_is_warmer_everywhere_and_local_sar_heats_the_canal() -> None:
    warm, cool = outcome(body_temperature=37.5), outcome(body_temperature=36.0)
    assert warm.structures["canal"].peak_c > cool.structures["canal"].peak_c + 0.5
    local = outcome(local_SAR_factor_in_neural_structures=3.0)
    assert local.structures["canal"].peak_c > outcome().structures["canal"].peak_c + 0.1


def test_hardier_tissue_a_smaller_arrhenius_zone_and_the_same_isotherm() -> None:
    hardy, frail = outcome(damage_shift=2.0), outcome(damage_shift=-2.0)
    assert hardy.zones["arrhenius_1"].volume_ml < 0.97 * frail.zones["arrhenius_1"].volume_ml


def test_label_offset_changes_the_margin_not_the_zone() -> None:
    moved_labels, plain = outcome(label_offset_z=2.5), outcome()
    assert volume(moved_labels) == pytest.approx(volume(plain), rel=1e-6)
    margins = [o.coverage["target"]["isotherm_50"].margin_mm for o in (moved_labels, plain)]
    assert margins[0] != margins[1]


# bad input


def row(**changes: Any) -> dict[str, Any]:
    return {
        "name": "perfusion of bone", "kind": "uniform", "low": 0.5, "high": 2.0, "source": "a test", "certainty": "R",
        **changes,
    }  # fmt: skip


def protocol(*rows: dict[str, Any]) -> Protocol:
    return Protocol.model_validate({**default_protocol().model_dump(), "uncertainty": rows})


def test_the_protocol_changes_a_range() -> None:
    space = space_for(protocol(row(high=1.5)))
    assert space.names == SPACE.names
    changed = next(p for p in space.parameters if p.name == "perfusion of bone")
    assert (changed.distribution.kind, changed.distribution.high, changed.effect["field"]) == (
        "uniform",
        1.5,
        "perfusion",
    )
    assert space_for(default_protocol()) is SPACE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"low": -1.0}, "property is out of its range"),
        ({"low": 3.0}, "unusable"),
        ({"name": "weather", "nominal": 1.0}, "Unknown effect"),
        ({"effect": {"change": "tissue factor", "field": "colour", "tissues": ["muscle"]}}, "Unknown property"),
        ({"effect": {"change": "tissue factor", "field": "density", "tissues": ["cheese"]}}, "Unknown tissues"),
        ({"effect": {"change": "tip"}}, "needs an axis"),
        ({"effect": {"change": "cooling"}}, "wrong kind of distribution"),
        ({"name": "drying model"}, "nominal"),
    ],
)
def test_unusable_parameters_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        space_for(protocol(row(**changes)))


def test_values_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="property is out of its range") as caught:
        draw(setup(), {"perfusion of bone": -1.0})
    assert "perfusion of bone" in caught.value.where
    with pytest.raises(InputError, match="Unknown parameter"):
        draw(setup(), {"weather": 1.0})


def test_a_file_of_parameters(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[parameter]]\nname = "power"\nkind = "uniform"\nlow = 0.9\nhigh = 1.1\nnominal = 1.0\n'
        'source = "own bench"\ncertainty = "S"\neffect = { change = "power factor" }\n'
    )
    assert load_space(path).names == ("power",)
    path.write_text(path.read_text().replace("power factor", "weather"))
    with pytest.raises(InputError, match="Unknown effect"):
        load_space(path)
    assert isinstance(checked_space(SPACE), Space)


def test_grid_of_a_moved_lesion_keeps_its_frame() -> None:
    grid = Grid((2, 2, 2), np.eye(4), "frame")
    lesion = LesionOnGrid("t", Volume(np.ones((2, 2, 2), bool), grid))
    assert moved(lesion, np.array([1.0, 0.0, 0.0])).mask.grid.frame == "frame"
