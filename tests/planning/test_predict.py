"""The whole prediction on the torso phantom: what must hold whatever the numbers.

Layout: lumbar phantom (1.5 mm voxels), needle through the right pedicle, heat grid of 2 mm: coarse, because these tests
compare a prediction with itself, not with the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.planning.conftest import COARSE, ENTRY_MM, TIP_MM
from vertherm.heat.member import Member, members
from vertherm.planning.assessment import Assessment
from vertherm.planning.case import Numerics
from vertherm.planning.limits import requirements
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.predict import CaseResult, predict
from vertherm.planning.protocol import default_protocol

Run = Callable[..., CaseResult]


def peaks(result: CaseResult) -> dict[str, float]:
    return {name: outcome.peak_c for name, outcome in result.outcomes[0].structures.items()}


def test_standard_members_span_the_three_choices() -> None:
    chosen = members(3.0)
    assert len(chosen) == 12
    assert len(set(chosen)) == 12
    assert {(m.cooling, m.sar_factor) for m in chosen} == {("none", 1.0), ("full", 1.0), ("none", 3.0)}
    assert {(m.drying, m.power) for m in chosen} == {(d, p) for d in ("water", "sigmoid") for p in ("forward", "net")}


def test_nearer_stronger_longer_is_hotter(one_member: Run) -> None:
    """Peaks of canal and root are monotonic in power, time and closeness; the differences are far above rounding."""
    base = peaks(one_member())
    more_power, longer = peaks(one_member(power_w=25.0)), peaks(one_member(time_s=240.0))
    nearer = peaks(one_member(tip_mm=(5.0, 2.0, 0.0), entry_mm=(25.0, -66.0, 0.0)))
    for name in ("canal", "root L3 right"):
        assert more_power[name] > base[name] + 0.5, name
        assert longer[name] > base[name] + 0.5, name
    assert nearer["canal"] > base["canal"] + 0.5


@pytest.mark.parametrize("orientation", ["LPS", "PIR", "SRA"])
def test_storage_order_does_not_matter(one_member: Run, orientation: str) -> None:
    """Flips and permutations with a matching affine give the same numbers to rounding: 1e-3 K."""
    plain, turned = one_member(), one_member(orientation=orientation)
    assert peaks(plain).keys() == peaks(turned).keys()
    for name, value in peaks(plain).items():
        assert peaks(turned)[name] == pytest.approx(value, abs=1e-3), name
    for metric, zone in plain.outcomes[0].zones.items():
        other = turned.outcomes[0].zones[metric]
        assert (other.long_axis_mm, other.short_axis_mm) == pytest.approx(
            (zone.long_axis_mm, zone.short_axis_mm), abs=1e-3
        )


def test_oblique_grid_changes_little(one_member: Run) -> None:
    """A CT stored on an oblique grid: zone within 0.5 mm, peaks away from interfaces within 0.5 K.

    Voxels of 1 mm and cells of 1.5 mm: the label maps themselves differ by the rasterisation, not by the solver.
    """
    fine = Numerics(spacing_mm=1.5, resolve_every_s=60.0)
    plain = one_member(numerics=fine, spacing_mm=1.0)
    oblique = one_member(numerics=fine, spacing_mm=1.0, oblique_deg=20.0)
    zone, other = plain.outcomes[0].zones["isotherm_50"], oblique.outcomes[0].zones["isotherm_50"]
    assert other.short_axis_mm == pytest.approx(zone.short_axis_mm, abs=0.5)
    assert other.long_axis_mm == pytest.approx(zone.long_axis_mm, abs=0.5)
    point = np.array([5.0, 8.0, 12.0])
    values = [r.scene.peak_c.sample(point) for r in (plain, oblique)]
    assert values[0] == pytest.approx(float(values[1]), abs=0.5)


def test_mirrored_patient_swaps_left_and_right(one_member: Run) -> None:
    def mirror(point: tuple[float, float, float]) -> tuple[float, float, float]:
        return (-point[0], point[1], point[2])

    # 1 mm voxels: their raster is its own mirror image.
    plain = peaks(one_member(spacing_mm=1.0))
    mirrored = peaks(one_member(spacing_mm=1.0, mirrored=True, tip_mm=mirror(TIP_MM), entry_mm=mirror(ENTRY_MM)))
    assert plain["root L3 right"] > plain["root L3 left"] + 0.5, "the needle is on the right"
    for name in ("root L3 left", "root L3 right", "root L2 left", "root L2 right"):
        swapped = name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert mirrored[swapped] == pytest.approx(plain[name], abs=0.05), name


def test_same_input_same_numbers(one_member: Run) -> None:
    first, second = one_member(time_s=60.0), one_member(time_s=60.0)
    np.testing.assert_array_equal(first.outcomes[0].fields["peak_c"], second.outcomes[0].fields["peak_c"])


def test_energy_balance_with_vaporisation(one_member: Run) -> None:
    """60 W boils water around the antenna; what was delivered is found again within 0.5 %."""
    result = one_member(power_w=60.0, time_s=120.0)
    assert result.outcomes[0].fields["peak_c"].max() > 100.0
    assert result.assessment.energy_balance[0].error < 0.005


def test_every_run_ends_settled_and_below_43(one_member: Run) -> None:
    outcome = one_member().outcomes[0]
    assert outcome.status == "settled"
    for name, curve in outcome.curves.items():
        assert curve[-1] < 43.0, name


def test_full_cooling_is_cooler_at_the_canal(one_member: Run) -> None:
    warm, cool = peaks(one_member()), peaks(one_member(member=Member(cooling="full")))
    assert cool["dural sac"] < warm["dural sac"]


def test_local_sar_factor_only_adds(one_member: Run) -> None:
    plain, factor = peaks(one_member()), peaks(one_member(member=Member(sar_factor=3.0)))
    assert factor["canal"] > plain["canal"] + 0.1
    assert all(factor[name] >= value - 1e-3 for name, value in plain.items())


def test_net_power_heats_more_than_the_same_forward_power(one_member: Run) -> None:
    forward, net = one_member(), one_member(member=Member(power="net"))
    rows = [r.assessment.treatment.power[0] for r in (forward, net)]
    assert rows[0].net_w < rows[0].forward_w == pytest.approx(15.0)
    assert rows[1].net_w == pytest.approx(15.0)
    assert rows[1].absorbed_w > rows[0].absorbed_w


def test_not_labelled_is_not_assessed() -> None:
    """Taking the skin's label away from a green case makes it 'not assessed', never green."""
    case = phantom_case(spacing_mm=1.5, lesion_radius_mm=5.0, lesion_offset_mm=(2.0, 12.0, 0.0))
    treatment = constant_power(0.5, 5.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    arguments = {"workers": 1, "run_members": (Member(),)}
    whole = predict(case, treatment, default_protocol(), COARSE, **arguments).assessment
    assert whole.verdict == "green"
    rest = tuple(s for s in case.anatomy.structures if s.name != "skin")
    blind = replace(case, anatomy=replace(case.anatomy, structures=rest))
    lacking = predict(blind, treatment, default_protocol(), COARSE, **arguments).assessment
    assert lacking.verdict == "not assessed"
    row = next(row for row in lacking.structures if row.name == "skin")
    assert (row.status, row.peak_temperature_c) == ("not assessed", None)


def test_requirements_name_roots_by_level_and_side() -> None:
    case = phantom_case(spacing_mm=3.0)
    target = case.targets[0]
    names = [r.name for r in requirements(default_protocol(), target.level, case.anatomy, target.centre_mm)]
    for root in ("root L2 left", "root L2 right", "root L3 left", "root L3 right", "skin"):
        assert root in names


def test_assessment_round_trip_has_no_nan(one_member: Run) -> None:
    document = one_member(time_s=60.0).assessment
    text = document.model_dump_json()
    assert "NaN" not in text
    assert Assessment.model_validate_json(text) == document
    assert document.synthetic
    assert {zone.metric for zone in document.zones} == {metric.id for metric in default_protocol().metrics}
    assert any(not assumption.verified for assumption in document.assumptions)
    assert document.provenance["versions"]["vertherm"]
