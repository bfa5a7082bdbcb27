"""Ways in which a case could come out green wrongly: each must not.

Layout: the negative control of the examples (10 W, 60 s, far from everything, all labelled: green), spoilt in one way
at a time. Heat cells of 3 mm, nominal member: the statuses under test do not depend on a tenth of a kelvin.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vertherm.core.errors import InputError, SolverError
from vertherm.core.progress import silent
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.member import NOMINAL, Member
from vertherm.heat.schedule import Activation, Schedule
from vertherm.imaging.anatomy import Anatomy
from vertherm.planning import evaluate
from vertherm.planning.assessment import Assessment
from vertherm.planning.case import Numerics
from vertherm.planning.objects import Case, Treatment
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.predict import predict
from vertherm.planning.protocol import Protocol, default_protocol

COARSE = Numerics(spacing_mm=3.0, resolve_every_s=60.0)
CONTROL = constant_power(10.0, 60.0, tip_mm=(-9.0, 13.5, 0.0), entry_mm=(134.0, -49.0, 20.0))
LATERAL = constant_power(10.0, 60.0, tip_mm=(-4.0, 9.0, 0.0), entry_mm=(70.0, 9.0, 0.0))


@pytest.fixture(scope="module")
def case() -> Case:
    grid = Grid.isotropic(np.array([-80.0, -107.0, -60.0]), np.array([160.0, 79.0, 60.0]), 2.0)
    return phantom_case(grid=grid, lesion_radius_mm=5.0, lesion_offset_mm=(0.0, 9.0, 0.0))


def run(case: Case, treatment: Treatment = CONTROL, protocol: Protocol | None = None, **kw: Any) -> Assessment:
    arguments: dict[str, Any] = {"workers": 1, "run_members": (NOMINAL,), **kw}
    return predict(case, treatment, protocol or default_protocol(), COARSE, **arguments).assessment


def cut(anatomy: Anatomy, axis: int, below_mm: float) -> Anatomy:
    """The image ends at ``below_mm`` along a RAS axis; the masks go on."""

    def part(volume: Volume) -> Volume:
        count = int((below_mm - volume.grid.affine[axis, 3]) / volume.grid.spacing_mm[axis]) + 1
        data = volume.data[tuple(slice(0, count) if a == axis else slice(None) for a in range(3))]
        return Volume(data, Grid(data.shape, volume.grid.affine), volume.source)  # type: ignore[arg-type]

    return replace(anatomy, ct=part(anatomy.ct), tissue=part(anatomy.tissue))


def changed(protocol: Protocol, **values: Any) -> Protocol:
    return Protocol.model_validate({**protocol.model_dump(), **values})


def test_the_unspoilt_case_is_green(case: Case) -> None:
    assert run(case).verdict == "green"


def test_shaft_that_leaves_the_image_before_the_skin(case: Case) -> None:
    assessment = run(replace(case, anatomy=cut(case.anatomy, 0, 60.0)))
    assert assessment.verdict == "not assessed"
    skin = next(row for row in assessment.structures if row.name == "skin")
    assert skin.status == "not assessed"
    assert "leaves the image" in skin.words


def test_heat_beyond_the_image(case: Case) -> None:
    assessment = run(replace(case, anatomy=cut(case.anatomy, 2, 6.0)))
    assert assessment.verdict != "green"
    assert any(row.name == "tissue beyond the image" for row in assessment.structures)


def test_canal_labelled_elsewhere_does_not_answer(case: Case) -> None:
    def upper_part(structure: Any) -> Any:
        if structure.kind.value not in ("cord", "cauda", "dural sac", "canal"):
            return structure
        data = structure.mask.data.copy()
        heights = structure.mask.grid.world(np.argwhere(np.ones_like(data)))[:, 2].reshape(data.shape)
        data[heights < 45.0] = False
        return replace(structure, mask=structure.mask.with_data(data))

    structures = tuple(upper_part(s) for s in case.anatomy.structures)
    assessment = run(replace(case, anatomy=replace(case.anatomy, structures=structures)))
    assert assessment.verdict == "not assessed"
    assert "canal" in assessment.verdict_words


def test_required_structure_without_a_limit(case: Case) -> None:
    protocol = default_protocol()
    limits = [limit.model_dump() for limit in protocol.limits if "skin" not in limit.kinds]
    assessment = run(case, protocol=changed(protocol, limits=limits))
    assert assessment.verdict == "not assessed"
    assert next(row for row in assessment.structures if row.name == "skin").status == "not assessed"


def test_pierced_canal_without_a_limit_is_stop_all_the_same(case: Case) -> None:
    protocol = default_protocol()
    limits = [limit.model_dump() for limit in protocol.limits if "canal" not in limit.kinds]
    through = constant_power(0.5, 5.0, tip_mm=(0.0, 0.0, 0.0), entry_mm=(0.0, -80.0, 0.0), reconstruction=True)
    assert run(case, through, changed(protocol, limits=limits)).verdict == "stop"


def test_short_needle_through_the_canal_is_refused(case: Case) -> None:
    short = constant_power(0.5, 5.0, tip_mm=(0.0, 5.0, 0.0), entry_mm=(0.0, -5.0, 0.0))
    with pytest.raises(InputError, match="spinal canal"):
        run(case, short)


def test_wrong_level_is_refused(case: Case) -> None:
    target = case.targets[0]
    wrong = replace(target, statement=replace(target.statement, level=case.targets[0].level.__class__("L2")))
    with pytest.raises(InputError, match="vertebra that the case names"):
        run(replace(case, targets=(wrong,)))


def test_unlabelled_neighbour_does_not_hand_its_root_on(case: Case) -> None:
    level = case.targets[0].level
    vertebrae = {key: value for key, value in case.anatomy.vertebrae.items() if key >= level}
    roots = tuple(s for s in case.anatomy.structures if not s.name.startswith("root L2"))
    spoilt = replace(case.anatomy, vertebrae=vertebrae, structures=roots)
    words = run(replace(case, anatomy=spoilt)).verdict_words
    assert "root L2 left" in words
    assert "root L2 right" in words


def test_failing_member_is_reported_and_does_not_stop_the_others(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    real = evaluate.run_member

    def sometimes(setup: Any, member: Member, **options: object) -> Any:
        if member.drying == "sigmoid":
            raise SolverError("The field stopped being finite.")
        return real(setup, member)

    monkeypatch.setattr(evaluate, "run_member", sometimes)
    assessment = run(case, run_members=(NOMINAL, Member("sigmoid")))
    assert assessment.verdict == "not assessed"
    assert assessment.coverage_verdict == "no zone"
    assert any("stopped being finite" in note for note in assessment.notes)


@pytest.mark.parametrize(
    "change",
    [
        {"local_sar": {"factor": 3.0, "kinds": ["roots"], "source": "test"}},
        {"required": {"cervical": ["skin"], "thoracic": ["skin"], "lumbar": [], "sacral": ["skin"]}},
        {"required": {"cervical": ["skin"], "thoracic": ["skin"], "lumbar": ["nerves"], "sacral": ["skin"]}},
        {"limits": [{"kinds": ["skin"], "stop_c": float("nan"), "source": "test"}]},
    ],
)
def test_protocols_that_switch_safety_off_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        changed(default_protocol(), **change)


def test_crop_that_is_too_small_for_the_heat(case: Case) -> None:
    """60 W for 10 min sends heat through the faces: what lies wholly beyond the crop is not called unheated."""
    strong = constant_power(60.0, 600.0, tip_mm=(-4.0, 9.0, 0.0), entry_mm=(70.0, 9.0, 0.0))
    assessment = predict(
        case,
        strong,
        default_protocol(),
        Numerics(spacing_mm=3.0, resolve_every_s=60.0, reach_mm=30.0),
        workers=1,
        run_members=(NOMINAL,),
    ).assessment
    assert any("reach_mm" in note for note in assessment.notes)


def test_thermocouples_are_rows_and_may_lie_far_away(case: Case) -> None:
    treatment = replace(
        CONTROL, thermocouples={"near": np.array([5.0, 15.0, 0.0]), "skin": np.array([0.0, -90.0, 0.0])}
    )
    rows = {row.name: row for row in run(case, treatment).thermocouples}
    assert rows["near"].peak_temperature_c.value > 39.0
    assert rows["skin"].peak_temperature_c.value < 37.5
    outside = replace(CONTROL, thermocouples={"lost": np.array([0.0, 900.0, 0.0])})
    with pytest.raises(InputError, match="sensor lies outside the image"):
        run(case, outside)


def test_thermocouple_is_on_the_report(case: Case) -> None:
    from vertherm.report.html import draw, render

    treatment = replace(CONTROL, thermocouples={"T1 <root>": np.array([5.0, 15.0, 0.0])})
    result = predict(case, treatment, default_protocol(), COARSE, workers=1, run_members=(NOMINAL,))
    page = render(result.assessment, draw(result.assessment, result.scene, silent))
    assert "T1 &lt;root&gt;" in page


def test_pauses_and_temperature_control(case: Case) -> None:
    """Two activations with a pause: the log shows it; a held temperature stays within 3 K at the sensor."""
    held = Activation(180.0, set_temperature_c=55.0, max_power_w=30.0, sensor_mm=(5.0, 14.0, 0.0), pause_s=30.0)
    treatment = replace(LATERAL, schedule=Schedule((held, Activation(20.0, power_w=5.0))))
    result = predict(case, treatment, default_protocol(), COARSE, workers=1, run_members=(NOMINAL,))
    outcome = result.outcomes[0]
    curve = outcome.curves["control sensor 1"]
    late = (outcome.time_s > 120.0) & (outcome.time_s <= 180.0)
    assert np.abs(curve[late] - 55.0).max() < 3.0
    power = outcome.power
    assert 0.0 in power["forward_w"]
    assert power["forward_w"][-1] == pytest.approx(5.0)
    assert result.assessment.treatment.treatment_time_s == pytest.approx(230.0)
