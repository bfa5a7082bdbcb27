"""Dates, descriptors, keys, pseudonyms, codes and the table of patients, each alone."""

from __future__ import annotations

import stat
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.imaging.deidentify.samples import KEY, code, ct, item
from vertherm.core.errors import InputError
from vertherm.imaging.deidentify import dates
from vertherm.imaging.deidentify.codes import coded
from vertherm.imaging.deidentify.descriptors import cleaned
from vertherm.imaging.deidentify.elements import capped_age, resolve
from vertherm.imaging.deidentify.identifiers import Identifiers
from vertherm.imaging.deidentify.key import VARIABLE, load_key, make_key
from vertherm.imaging.deidentify.patients import load_patients
from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.pseudonyms import Pseudonyms
from vertherm.imaging.deidentify.spelling import fold
from vertherm.imaging.deidentify.tables import words
from vertherm.registry.exporting.deidentify import Deidentifier


def known(**elements: object) -> Identifiers:
    found = Identifiers(Profile())
    found.collect(ct(**elements))
    return found


@pytest.mark.parametrize(
    ("vr", "text", "expected"),
    [
        ("DA", "20240301", "20240229"),
        ("DA", "2024.03.01", "20240229"),
        ("DA", "2024-03-01", "20240229"),
        ("DA", "20240230", None),
        ("DA", "2024", None),
        ("DA", "20240301-20240302", None),
        ("DT", "20240301101112.123456+0100", "20240229101112.123456+0100"),
        ("DT", "20240301", "20240229"),
        ("DT", "202403", None),
        ("TM", "101112.5", "101112.5"),
        ("TM", "10:11:12", "10:11:12"),
        ("TM", "yesterday", None),
        ("SH", "+0130", "+0130"),
        ("SH", "Bern", None),
    ],
)
def test_shift(vr: str, text: str, expected: str | None) -> None:
    assert dates.shifted(vr, text, timedelta(days=1)) == expected


@given(st.dates(date(1000, 1, 1)), st.dates(date(1000, 1, 1)), st.integers(1, 364))
def test_shifts_keep_intervals(first: date, second: date, days: int) -> None:
    """Whatever the dates, the days between them stay."""
    back = timedelta(days=days)
    moved = [dates.parse(str(dates.shifted("DA", f"{day:%Y%m%d}".zfill(8), back))) for day in (first, second)]
    assert moved[0] is not None
    assert moved[1] is not None
    assert moved[1] - moved[0] == second - first
    assert first - moved[0] == back


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)), st.sampled_from(["%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y"]))
def test_a_date_is_found_however_it_is_written(day: date, form: str) -> None:
    found = known(StudyDate=f"{day:%Y%m%d}")
    assert found.inside(f"on {day.strftime(form)} at noon")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("CT Body 3.0", "CT Body"),
        ("CT Body 3.0 mm B30f", "CT Body 3.0 mm"),
        ("T11-L2 sagittal, Dr. Zweig", "T11 L2 sagittal"),
        ("LWS nativ 2mm", "LWS nativ 2mm"),
        ("Ablation for Vandermolen on 4 July 2019", "Ablation for on"),
        ("call +49 89 5556667", ""),
        ("a@b.example", ""),
        ("MR 1.2.840.113619.2.55.3 spine", "MR spine"),
        ("20190704", ""),
        ("Müller", ""),
        ("spine^lesion", ""),
        ("4711", ""),
    ],
)
def test_descriptor(text: str, left: str) -> None:
    assert cleaned(text, known()) == left


def test_a_name_that_is_a_term_goes_too() -> None:
    """A patient called Liver Spine: these words are terms, and here they name somebody."""
    found = known(PatientName="Liver^Spine")
    assert cleaned("CT liver and spine", found) == "CT and"


@given(st.text(max_size=80))
@example("Þ")
def test_cleaning_leaves_only_words_numbers_and_levels(text: str) -> None:
    for token in cleaned(text, known()).split():
        assert fold(token) in words() or any(letter.isdigit() for letter in token)


def test_common_surnames_are_no_terms() -> None:
    assert not words() & {"young", "long", "brown", "white", "black", "king", "stone", "berg", "koch", "wolf", "bauer"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Müller^Jürgen", "MUELLER"),
        ("Müller^Jürgen", "Muller J"),
        ("Mueller^J", "mueller_2"),
        ("O'Shaughnessy^Siobhán", "Siobhan"),
        ("Lee^Ann", "for Lee."),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "患者山田さん"),
        ("Иванова^Анна", "иванова"),
        ("Vandermolen^Ottilie", "OttilieVandermolen2019"),
        ("Vandermolen^Ottilie", "v a n d e r m o l e n"),
    ],
)
def test_name_is_found(name: str, text: str) -> None:
    assert known(PatientName=name).inside(text)


def test_short_syllables_are_not_found_within_words() -> None:
    found = known(PatientName="Lee^Ann", AccessionNumber="30")
    assert not found.inside("sleeve of the scanner, 30 mm")


@pytest.mark.parametrize(
    ("action", "kind", "letter"),
    [
        ("X", "1", "X"), ("Z", "1", "D"), ("Z", "2", "Z"), ("D", "3", "D"), ("X/Z", "2", "Z"), ("X/Z", "3", "X"),
        ("X/D", "1", "D"), ("X/D", "2", "D"), ("X/D", "3", "X"), ("Z/D", "1", "D"), ("Z/D", "2", "Z"),
        ("Z/D", "3", "Z"), ("X/Z/D", "1", "D"), ("X/Z/D", "2", "Z"), ("X/Z/D", "3", "X"), ("X/Z/U*", "3", "U"),
    ],
)  # fmt: skip
def test_compound_actions(action: str, kind: str, letter: str) -> None:
    assert resolve(action, kind) == letter


@pytest.mark.parametrize(("age", "said"), [("089Y", "089Y"), ("090Y", "090Y"), ("103Y", "090Y"), ("045D", "045D")])
def test_age_is_capped(age: str, said: str) -> None:
    assert capped_age(age) == said


def test_pseudonym_and_shift_are_those_of_the_registry() -> None:
    """With the registry's key, and the patient's key in the registry, images and records carry the same ones."""
    ours, registry = Pseudonyms(KEY, {"HX-4471-99": "P017"}), Deidentifier(KEY, {"P017"})
    assert ours.patient("HX-4471-99") == registry.patient("P017")
    assert ours.patient("P017") == registry.patient("P017")
    assert ours.patient("P018") == registry.patient("P018")
    assert ours.patient("P018") != ours.patient("P017")


@given(st.text("0123456789.", min_size=1, max_size=64))
def test_uids_are_valid_and_their_own(uid: str) -> None:
    from pydicom.uid import UID

    made = Pseudonyms(KEY).uid(uid)
    assert UID(made).is_valid
    assert made.startswith("2.25.")
    assert Pseudonyms(KEY).uid(uid) == made
    assert Pseudonyms(KEY[::-1]).uid(uid) != made


def test_short_key_is_refused() -> None:
    with pytest.raises(InputError, match="too short"):
        Pseudonyms(b"short")


def test_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made once, readable by its owner alone, never replaced; a wrong one is not shown."""
    path = tmp_path / "deep" / "key"
    key = make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path) == key
    with pytest.raises(InputError, match="There is a key already"):
        make_key(path)
    assert load_key(path) == key
    monkeypatch.setenv(VARIABLE, key.hex())
    assert load_key(None) == key
    monkeypatch.setenv(VARIABLE, "c0ffee")
    with pytest.raises(InputError, match="no key") as caught:
        load_key(None)
    assert "c0ffee" not in str(caught.value)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(InputError, match="A key is needed"):
        load_key(None)
    with pytest.raises(InputError, match="cannot be read"):
        load_key(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "said"),
    [("patient_id,patient_key\nA,\n", "lacks"), ("id,key\nA,B\n", "lacks"),
     ("patient_id,patient_key\nA,B\nA,C\n", "two keys")],
)  # fmt: skip
def test_table_of_patients_that_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "patients.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        load_patients(path)


def test_codes() -> None:
    """A public code stays with its own meaning; a local one goes; a person hidden in a meaning goes."""
    found = known()
    (anatomy,) = code("51282000", "SCT", "Vandermolen")
    assert "Vandermolen" not in str(coded(anatomy, found))
    assert coded(anatomy, found)["CodeValue"] == "51282000"
    (local,) = code("NPONKINF", "USB.PROCEDURES", "PET/CT")
    assert coded(local, found) == {}
    (person,) = code("HX-4471-99", "DCM", "Person")
    assert coded(person, found) == {}
    (unit,) = code("mm", "UCUM", "millimeter")
    assert coded(unit, found)["CodeValue"] == "mm"
    assert coded(item(CodeMeaning="alone"), found) == {}


def test_profile_refuses_unknown_words() -> None:
    with pytest.raises(InputError, match="retains"):
        Profile(retain=frozenset({"everything"}))
    with pytest.raises(InputError, match="accept"):
        Profile(accept=frozenset({"all"}))
    with pytest.raises(InputError, match="dates"):
        Profile(dates="some")  # type: ignore[arg-type]
