"""A confirmed verification becomes records, once, on both databases; what does not fit leaves nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.registry.sample import DAY, sample, store
from tests.registry.verification_document import CT, LATER, document, row, unseen
from vertherm.core.errors import InputError
from vertherm.registry.check import check
from vertherm.registry.database import Registry
from vertherm.registry.exporting.exporter import export
from vertherm.registry.history import history
from vertherm.registry.importing.importer import import_path
from vertherm.registry.lock import lock
from vertherm.registry.records import Records, Value
from vertherm.registry.verification import Recorded, document_sha256, record_verification

WHO = {"patient_key": "P000", "lesions": {"target": 1}, "confirmed_by": "A. Reader", "user": "ada", "why": "follow-up"}


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """Three patients; P000 lives and has an MR of day 90, P002 died on day 400."""
    store(registry, sample(3))
    return registry


def record(registry: Registry, content: dict[str, Any] | None = None, **more: Any) -> Recorded:
    return record_verification(registry, document() if content is None else content, **{**WHO, **more})


def rows(registry: Registry, entity: str, patient: str = "P000", number: int = 2) -> list[dict[str, Value]]:
    """Rows of one examination."""
    found = registry.records().dicts(entity)
    return [row for row in found if row["patient_key"] == patient and row["imaging_no"] == number]


def test_every_field_arrives(filled: Registry) -> None:
    done = record(filled)
    assert done.inserted == {"imaging": 1, "treated_zone": 1, "zone_prediction": 2}
    assert done.examinations == {CT: 2}
    assert done.notes == ("target at week 12: no zone recorded, coverage was not assessed",)
    assert rows(filled, "imaging") == [
        {"patient_key": "P000", "imaging_no": 2, "date": date(2023, 3, 2), "modality": "ct", "contrast": "yes",
         "evaluable": "yes", "note": None}
    ]  # fmt: skip
    assert rows(filled, "treated_zone") == [
        {"patient_key": "P000", "imaging_no": 2, "lesion_no": 1, "zone_source": "segmented", "volume_ml": 14.5,
         "long_mm": 36.0, "short_mm": 27.5, "edge_sd_mm": 0.7, "registration_error_mm": 0.4, "goal_mm": 5.0,
         "margin_mm": 1.5, "margin_low_mm": 0.25, "margin_high_mm": 2.75, "bone_margin_mm": 2.0,
         "bone_margin_low_mm": 1.0, "bone_margin_high_mm": 3.0, "coverage_share": 0.995, "coverage": "covered",
         "cement_ml": 3.5, "cement_canal_ml": 0.0, "cement_disc_ml": 0.3, "cement_elsewhere_ml": 0.0,
         "confirmed_by": "A. Reader", "document_sha256": document_sha256(document()), "note": None}
    ]  # fmt: skip
    assert {line["metric"]: line["predicted_ml"] for line in rows(filled, "zone_prediction")} == {
        "isotherm_60": 15.0,
        "cem43_240": 20.0,
    }
    assert rows(filled, "zone_prediction")[1] == {
        "patient_key": "P000", "imaging_no": 2, "lesion_no": 1, "metric": "isotherm_60",
        "device": "Antenna at 2450 MHz", "predicted_ml": 15.0, "predicted_long_mm": 40.0, "predicted_short_mm": 30.0,
        "dice": 0.8, "mean_distance_mm": 1.5, "hausdorff95_mm": 4.0, "signed_mm": 0.0,
    }  # fmt: skip
    assert check(filled).findings == ()


def test_the_suggestion_of_the_program_is_no_response(filled: Registry) -> None:
    """The document suggests progressive disease; the reader says nothing, then something else."""
    record(filled)
    assert rows(filled, "response") == []
    stated = {(CT, "target"): ("mda", "sd", "no"), (LATER, "target"): ("mda", "", "ne")}
    done = record(filled, responses=stated)
    assert done.inserted == {"imaging": 1, "response": 2}
    key = {"patient_key": "P000", "lesion_no": 1, "criterion": "mda"}
    assert rows(filled, "response") == [{**key, "imaging_no": 2, "response": "sd", "progression": "no"}]
    assert rows(filled, "response", number=3) == [{**key, "imaging_no": 3, "response": None, "progression": "ne"}]
    assert [line["evaluable"] for line in rows(filled, "imaging", number=3)] == ["no"]


def test_the_same_document_again_changes_nothing(filled: Registry) -> None:
    """Not a row, not a line of the audit, not a seal; its layout and the order of its names do not matter."""
    stated = {(CT, "target"): ("mda", "sd", "no"), (LATER, "target"): ("recist_1_1", "pd", "yes")}
    record(filled, responses=stated)
    before, audit = filled.records().sha256(), check(filled).audit_rows
    turned = dict(reversed(json.loads(json.dumps(document(), indent=4)).items()))
    done = record(filled, turned, responses=stated)
    assert (done.inserted, done.updated) == ({}, {})
    assert done.unchanged == {"response": 2, "treated_zone": 1, "zone_prediction": 2}
    assert filled.records().sha256() == before
    assert check(filled).audit_rows == audit


def test_other_content_is_refused_and_replaced_when_told(filled: Registry) -> None:
    record(filled)
    changed = document()
    changed["rows"][0]["zone"]["volume_ml"] = 15.0
    changed["rows"][0]["agreement"].pop()
    before = filled.records().sha256()
    with pytest.raises(InputError, match="Something else is recorded") as caught:
        record(filled, changed)
    assert "volume_ml: 14.5 in the registry, 15.0 now" in caught.value.text()
    assert filled.records().sha256() == before
    done = record(filled, changed, replace=True)
    assert done.updated == {"treated_zone": 1}
    assert [line["volume_ml"] for line in rows(filled, "treated_zone")] == [15.0]
    assert [line["metric"] for line in rows(filled, "zone_prediction")] == ["isotherm_60"]
    acts = [change.action for change in history(filled, "P000") if change.entity in ("treated_zone", "zone_prediction")]
    assert len(acts) == 3 + 3 + 2  # the sample's zone, the first document, the correction
    assert check(filled).findings == ()


def test_an_examination_of_that_date_and_modality_is_used(filled: Registry) -> None:
    """The sample's MR of day 90 is the document's; a CT of the same day is another examination."""
    day = date(2023, 5, 30).isoformat()
    mr = unseen("mr", day, modality="MR")
    stated = {("mr", "target"): ("mda", "sd", "no")}
    done = record(filled, document(mr), responses=stated)
    assert done.examinations == {"mr": 1}
    assert done.unchanged == {"response": 1}
    other = {("ct", "target"): ("mda", "sd", "no")}
    assert record(filled, document(unseen("ct", day)), responses=other).examinations == {"ct": 2}


def test_native_and_contrast_of_one_day_stay_two(filled: Registry) -> None:
    """Two examinations of one day and modality, told apart by contrast, the same numbers at the second time."""
    both = document(row(), unseen("native", "2023-03-02", contrast=False))
    stated = {("native", "target"): ("unstated", "", "ne")}
    first = record(filled, both, responses=stated)
    assert first.examinations == {CT: 2, "native": 3}
    again = record(filled, both, responses=stated)
    assert again.examinations == first.examinations
    assert again.inserted == {}


def test_numbers_of_examinations_are_kept_to(filled: Registry) -> None:
    assert record(filled, examinations={CT: 7}).examinations == {CT: 7}
    with pytest.raises(InputError, match="is another one"):
        record(filled, document(row(date="2023-03-05")), examinations={CT: 7})
    undated = document(row(date=""))
    with pytest.raises(InputError, match="has no date"):
        record(filled, undated)
    assert record(filled, undated, examinations={CT: 7}, replace=True).updated == {"treated_zone": 1}
    with pytest.raises(InputError, match="needs a date"):
        record(filled, undated, examinations={CT: 9})


def test_several_examinations_that_fit_are_asked_about(filled: Registry) -> None:
    twice = Records()
    for number in (5, 6):
        twice.add("imaging", patient_key="P000", imaging_no=number, date=date(2023, 3, 2), modality="ct",
                  contrast="yes", evaluable="yes", note=f"{number}")  # fmt: skip
    store(filled, twice)
    with pytest.raises(InputError, match="Several examinations"):
        record(filled)
    assert record(filled, examinations={CT: 6}).inserted == {"treated_zone": 1, "zone_prediction": 2}


def test_an_examination_that_was_not_evaluable_is_not_silently_turned(filled: Registry) -> None:
    """The review leaves out what stands on such an examination: a judgement on it needs the mark changed."""
    odd = Records()
    odd.add("imaging", patient_key="P000", imaging_no=2, date=date(2023, 3, 2), modality="ct", contrast="yes",
            evaluable="no")  # fmt: skip
    store(filled, odd)
    stated = {(CT, "target"): ("mda", "sd", "no")}
    with pytest.raises(InputError, match="evaluable: no in the registry, yes now"):
        record(filled, responses=stated)
    assert record(filled, responses=stated, replace=True).updated == {"imaging": 1}
    assert [line["evaluable"] for line in rows(filled, "imaging")] == ["yes"]


@pytest.mark.parametrize(
    ("change", "more", "told"),
    [
        (None, {"patient_key": "nobody"}, "no such patient"),
        (None, {"lesions": {"target": 9}}, "no such lesion"),
        (None, {"lesions": {"target": 2}}, "another level"),
        (None, {"lesions": {"other": 1}}, "no such target"),
        (None, {"lesions": {}}, "No lesion was named"),
        (None, {"confirmed_by": "  "}, "Nobody confirmed"),
        (None, {"examinations": {"week 1": 2}}, "no such examination"),
        (None, {"examinations": {CT: 2, LATER: 2}}, "Two names stand for one examination"),
        (None, {"responses": {("week 1", "target"): ("mda", "sd", "no")}}, "not recorded here"),
        (None, {"responses": {(CT, "target"): ("mda", "pd", "no")}}, "without progression"),
        (None, {"responses": {(CT, "target"): ("recist", "sd", "no")}}, "criterion"),
        (lambda d: d.update(synthetic=False), {}, "never share a series"),
        (lambda d: d.update(schema_version=2), {}, "no verification"),
        (lambda d: d.update(rows=[]), {}, "no verification"),
        (lambda d: d["rows"][0].pop("coverage"), {}, "no verification"),
        (lambda d: d["rows"][0]["zone"].pop("volume_ml"), {}, "no verification"),
        (lambda d: d["rows"][0]["zone"].update(volume_ml="14"), {}, "no verification"),
        (lambda d: d["rows"][0]["agreement"][0].update(metric="a|b"), {}, "no verification"),
        (lambda d: d["rows"][0].update(coverage="nearly"), {}, "no verification"),
        (lambda d: d["rows"][0].update(date="2.3.2023"), {}, "date cannot be read"),
        (lambda d: d["rows"][0].update(modality="US"), {}, "modality is not known"),
        (lambda d: d["rows"][0]["margin"].update(low_mm=-1.0, within_bone_low_mm=-1.0), {}, "called covered, but"),
        (lambda d: d["rows"][0]["margin"].update(minimum_mm=3.5), {}, "within its own band"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    filled: Registry, change: Callable[[dict[str, Any]], object] | None, more: dict[str, Any], told: str
) -> None:
    content, before = copy.deepcopy(document()), filled.records().sha256()
    if change is not None:
        change(content)
    with pytest.raises(InputError, match=told):
        record(filled, content, **more)
    assert filled.records().sha256() == before


def test_a_synthetic_document_stays_out_of_a_real_series(registry: Registry) -> None:
    real = sample(1)
    for name in ("series", "patient"):
        place = {"series": 2, "patient": 2}[name]
        real.tables[name] = [(*line[:place], "no", *line[place + 1 :]) for line in real.rows(name)]
    store(registry, real)
    with pytest.raises(InputError, match="never share a series"):
        record(registry)
    assert record(registry, document(synthetic=False)).inserted["treated_zone"] == 1


def test_no_examination_after_death(filled: Registry) -> None:
    """P002 died on day 400: an examination of day 401 is refused, one of day 400 is not."""
    stated = {("late", "target"): ("mda", "sd", "no")}
    for after, told in ((401, "after the patient's death"), (400, "")):
        content = document(unseen("late", date.fromordinal(DAY.toordinal() + after).isoformat()))
        if told:
            with pytest.raises(InputError, match=told):
                record(filled, content, patient_key="P002", responses=stated)
        else:
            record(filled, content, patient_key="P002", responses=stated)


def test_a_later_zone_that_was_not_judged_is_no_record(filled: Registry) -> None:
    """Zones shrink: a later examination shows a zone and agreement, but its coverage is not assessed."""
    later = row(LATER, date="2023-05-25", coverage="not assessed")
    done = record(filled, document(row(), later))
    assert done.inserted == {"imaging": 1, "treated_zone": 1, "zone_prediction": 2}


def test_a_locked_patient_takes_none(filled: Registry) -> None:
    lock(filled, "P000", user="ada", why="closed")
    with pytest.raises(InputError, match="locked"):
        record(filled)


def test_two_lesions_of_one_scan(filled: Registry) -> None:
    """Both on one new examination; a drawn zone says so."""
    second = row(target="upper", level="T8")
    second["zone"] = {**second["zone"], "given": True}
    done = record(filled, document(row(), second), lesions={"target": 1, "upper": 2})
    assert done.inserted == {"imaging": 1, "treated_zone": 2, "zone_prediction": 4}
    assert [line["zone_source"] for line in rows(filled, "treated_zone")] == ["segmented", "drawn_or_edited"]


@pytest.mark.parametrize("form", ["csv", "xlsx", "json", "redcap"])
def test_zones_go_out_and_come_in_again(registry: Registry, form: str, tmp_path: Path) -> None:
    """An export in full, imported again, is the registry as it was."""
    store(registry, sample(1))
    record(registry, responses={(CT, "target"): ("mda", "sd", "no")})
    path = tmp_path / {"xlsx": "out.xlsx", "json": "out.json"}.get(form, "out")
    export(registry, path, form, level="full")
    before = registry.records().sha256()
    report = import_path(registry, path, form, user="ada", why="again")
    assert report.inserted == {}
    assert report.unchanged["treated_zone"] == 2
    assert registry.records().sha256() == before


def test_the_documents_of_these_tests_are_those_of_the_program() -> None:
    """Their shape is that of the model that writes verify.json, which this layer may not import."""
    from vertherm.followup.document import Verification

    made = Verification.model_validate(document())
    assert json.loads(made.model_dump_json()) == json.loads(json.dumps(document()))


@pytest.mark.parametrize("broken", [{"a": 1}, ["a"], [{"target": "target"}]])
def test_a_calibration_that_is_none_is_refused(filled: Registry, broken: Any) -> None:
    before = list(filled.records().dicts("treated_zone"))
    with pytest.raises(InputError, match="no verification"):
        record(filled, {**document(), "calibration": broken})
    assert list(filled.records().dicts("treated_zone")) == before
