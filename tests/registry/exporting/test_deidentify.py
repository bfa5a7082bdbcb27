"""De-identified exports: nothing of the input that names a person or a day is left, and it imports again."""

from __future__ import annotations

import itertools
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.registry.importing.small import TODAY, small_records
from tests.registry.importing.strategies import series
from vertherm.core.errors import InputError
from vertherm.registry import synthetic
from vertherm.registry.database import Registry
from vertherm.registry.exporting import export
from vertherm.registry.exporting.deidentify import Deidentifier, deidentified
from vertherm.registry.exporting.exporter import write_export
from vertherm.registry.exporting.manifest import make_manifest
from vertherm.registry.importing import import_path, import_records, read, validate
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import ENTITIES
from vertherm.registry.schema.field import Kind

KEY = bytes(range(32))
FORMATS = {"csv": "out", "xlsx": "out.xlsx", "json": "out.json", "redcap": "out"}


def marked(tmp_path: Path) -> Records:
    """The small series with telling keys and texts in every text field that may hold them."""
    records = small_records(tmp_path)
    for entity in ENTITIES:
        rows = []
        for row in records.rows(entity.name):
            new = list(row)
            for place, item in enumerate(entity.fields):
                if item.name == "patient_key":
                    new[place] = f"MUSTER-{row[place]}"
                elif item.kind is Kind.text and item.free_text:
                    new[place] = "Secretname, Street 5"
                elif item.kind is Kind.text and item.name not in (
                    *entity.key,
                    "sha256",
                    "drug",
                    "omeq_table",
                    "series",
                ):
                    new[place] = "as MUSTER-P1-left told on 3 March 2016"[: item.max_length]
            rows.append(tuple(new))
        records.tables[entity.name] = rows
    return records


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_telling_is_left(tmp_path: Path, form: str) -> None:
    """No key, name, year of birth or hash of the input stands in any byte of the output (workbooks unpacked)."""
    records = marked(tmp_path)
    made = deidentified(records, KEY)
    manifest = make_manifest(made, "deidentified", None, "registry-id")
    paths = write_export(tmp_path / FORMATS[form], form, made, manifest)
    text = "".join(_text(path) for path in paths)
    for telling in ("MUSTER", "Secretname", "3 March 2016", "1950", "1940", "ab" * 32, "registry-id"):
        assert telling not in text, telling
    back, problems = validate(read(paths[0] if form in ("xlsx", "json") else tmp_path / "out"), today=TODAY)
    assert not problems, [problem.line() for problem in problems]
    assert back.sha256() == made.sha256()


def _text(path: Path) -> str:
    if path.suffix != ".xlsx":
        return path.read_text("utf-8")
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return "".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=series())
def test_every_field_by_its_kind(records: Records) -> None:
    """Cell by cell against the original: the property that the level promises, whatever the values."""
    made = deidentified(records, KEY)
    machine = Deidentifier(KEY, {str(row[0]) for row in records.rows("patient")})
    for entity in ENTITIES:
        size = len(entity.key)
        new_rows = {row[:size]: row for row in made.rows(entity.name)}
        if entity.name == "plan_link":
            assert not new_rows
            continue
        assert len(new_rows) == len(records.rows(entity.name))
        for row in records.rows(entity.name):
            pseudonym, shift = machine.patient(str(row[0]))
            key = (pseudonym, *row[1:size]) if entity.of_patient else row[:size]
            _compare(entity.fields, row, new_rows[key], shift, entity.of_patient)


def _compare(fields: tuple, row: tuple, new: tuple, shift: timedelta, of_patient: bool) -> None:  # type: ignore[type-arg]
    for item, was, now in zip(fields, row, new, strict=True):
        if item.name == "patient_key":
            assert re.fullmatch(r"p[0-9a-f]{20}", str(now))
        elif item.identifier or item.free_text:
            assert now == ("[removed]" if item.required else None)
        elif item.kind is Kind.date:
            expected = None if was is None or not of_patient else was - shift
            assert now == expected
        elif item.name == "age":
            assert now == (90 if was is not None and was > 89 else was)
        elif item.kind is Kind.text:
            assert now in (was, None, "[removed]")
        else:
            assert now == was


def test_shift_and_pseudonym() -> None:
    """1 to 364 days back, spread over them, the same at each export, another with another key; no true date survives.

    Dates 400 days apart cannot meet by a shift of at most 364: none of the input is found in the output.
    """
    records = Records()
    records.add("series", series="s", title="t", synthetic="no", day_zero="patient", first_day=date(2015, 1, 1))
    days = {date(2000, 1, 1) + timedelta(days=400 * number) for number in range(8)}
    for number in range(400):
        key = f"key{number}"
        records.add("patient", patient_key=key, series="s", synthetic="no", sex="other", primary_tumour="lung",
                    prior_radiotherapy="no", systemic_therapy="no")  # fmt: skip
        for place, day in enumerate(sorted(days)):
            records.add("event", patient_key=key, event_no=place + 1, date=day, kind="other")
    made = deidentified(records, KEY)
    assert not days & {row["date"] for row in made.dicts("event")}
    assert next(iter(made.dicts("series")))["first_day"] is None
    machine = Deidentifier(KEY, set())
    shifts = [machine.patient(f"key{number}")[1].days for number in range(400)]
    assert (min(shifts) >= 1, max(shifts) <= 364, len(set(shifts)) > 200) == (True, True, True)
    assert deidentified(records, KEY).sha256() == made.sha256()
    assert not {row[0] for row in deidentified(records, KEY[::-1]).rows("patient")} & {
        r[0] for r in made.rows("patient")
    }
    # Intervals within a patient stay.
    by_patient: dict[object, list[date]] = {}
    for row in made.dicts("event"):
        by_patient.setdefault(row["patient_key"], []).append(row["date"])  # type: ignore[arg-type]
    assert all([(b - a).days for a, b in itertools.pairwise(d)] == [400] * 7 for d in by_patient.values())


@pytest.mark.parametrize(
    ("text", "telling"),
    [
        ("14 G, 2450 MHz", False), ("nerve root S1, left", False), ("n at 2-4 weeks", False),
        ("Khan et al., AJNR 2018;39:1376", False), ("4 min 30 s", False), ("T12 marginal 3 mm", False),
        ("seen 2016-03-01", True), ("1.3.16", True), ("on 3 March", True), ("March 2016", True), ("Sept. 5", True),
        ("see HOSP-17", True), ("see HOSP-17-left", True), ("(HOSP-17.)", True), ("HOSP-171", False),
        ("MRN 0012345", True), ("a@b.org", True), ("https://x", True), ("no 12 of the list", False),
    ],
)  # fmt: skip
def test_telling_texts(text: str, telling: bool) -> None:
    """By hand: what a reader could use, against what is everyday wording. Key 12 is too short to be looked for."""
    assert Deidentifier(KEY, {"HOSP-17", "12"}).telling(text) is telling


def test_telling_keys_of_series_keep_their_references(tmp_path: Path) -> None:
    """A series named after a date gets a pseudonym, the same wherever it is named."""
    records = Records()
    records.add("series", series="2016-03-01", title="t", synthetic="no", day_zero="patient")
    records.add("visit_window", series="2016-03-01", time_point="before", label="b", first_day=-9, last_day=0)
    made = deidentified(records, KEY)
    name = made.rows("series")[0][0]
    assert re.fullmatch("k[0-9a-f]{20}", str(name))
    assert made.rows("visit_window")[0][0] == name


def test_a_short_key_is_refused() -> None:
    with pytest.raises(InputError, match="too short"):
        deidentified(Records(), b"secret")


def test_the_registry_key_is_needed(registry: Registry, own_key: Path, tmp_path: Path) -> None:
    """Without the key there is no de-identified export; with it the export fills another registry, mark and all."""
    import_records(registry, synthetic.generate("khan2018"), user="t", why="w")
    export(registry, tmp_path / "out", "csv", level="deidentified")
    text = (tmp_path / "out" / "manifest.json").read_text("utf-8")
    assert "SYNTHETIC" in text
    assert registry.registry_id not in text
    own_key.rename(own_key.with_name("elsewhere"))
    with pytest.raises(InputError, match="needs the registry's key"):
        export(registry, tmp_path / "out2", "csv", level="deidentified")
    assert not (tmp_path / "out2").exists()
    export(registry, tmp_path / "out2", "csv", level="deidentified", key=KEY)
    own_key.with_name("elsewhere").rename(own_key)
    with Registry.create(f"sqlite:///{tmp_path / 'other.db'}") as other:
        report = import_path(other, tmp_path / "out2", user="t", why="w")
        assert report.inserted["patient"] == 69
        counts = other.records().counts()
    assert counts == registry.records().counts()
