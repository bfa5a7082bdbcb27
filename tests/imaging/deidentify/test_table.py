"""Every row of PS3.15 Table E.1-1: its action is applied, and that of every option."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.imaging.deidentify.samples import KEY, ct, item
from vertherm.imaging.deidentify.cleaner import Cleaner
from vertherm.imaging.deidentify.codes import meanings
from vertherm.imaging.deidentify.identifiers import Identifiers
from vertherm.imaging.deidentify.profile import CODES, Profile
from vertherm.imaging.deidentify.pseudonyms import Pseudonyms
from vertherm.imaging.deidentify.tables import Row, kept, registered, row_of, table, type_of

BARE: dict[str, Any] = {"dates": "remove", "descriptors": False, "structured": False}
ROWS = [row for row in table().values() if not row.tag.startswith(("0000", "0002", "0004"))]
BACK = timedelta(days=30)
MARKER_UID = "1.2.3.4.5.987654321"
VALUES: dict[str, Any] = {
    "AE": "MARKERAE", "AS": "045Y", "CS": "MARKER", "DA": "19870611", "DS": "12.5", "DT": "19870611101112",
    "IS": "7", "LO": "Spine marker", "LT": "Spine marker", "OB": b"marker!!", "PN": "Marker^Name",
    "SH": "Spine marker", "ST": "Spine marker", "TM": "101112.5", "UC": "Spine marker", "UI": MARKER_UID,
    "UN": b"marker!!", "UR": "urn:marker", "US": 7, "UT": "Spine marker",
}  # fmt: skip


def tag_of(row: Row) -> int:
    wild = {"50xxxxxx": 0x50022500, "60xx3000": 0x60023000, "60xx4000": 0x60024000, "private": 0x00291010}
    return wild.get(row.tag) or int(row.tag, 16)


def vr_of(row: Row) -> str:
    known = {"50xxxxxx": "LO", "60xx3000": "OB", "60xx4000": "LT", "private": "LO"}
    return known.get(row.tag) or row.vr


def marked(row: Row) -> Dataset:
    """A CT with the row's element filled."""
    ds, vr = ct(), vr_of(row)
    value = VALUES.get(vr)
    if vr == "SQ":
        value = Sequence([item(SeriesInstanceUID=MARKER_UID, PatientName="Marker^Name", PatientComments="marker")])
    if row.keyword == "TimezoneOffsetFromUTC":
        value = "+0130"
    ds.add(DataElement(tag_of(row), vr, value))
    return ds


def cleaned(ds: Dataset, **options: Any) -> Dataset:
    cleaner = Cleaner(Profile(**options), Pseudonyms(KEY), Identifiers(Profile(**options)), "p" + "0" * 20, BACK)
    return cleaner.clean(ds, "ct-image")[0]


def expected(row: Row) -> str:
    """The letter that a compound action comes to in a CT image."""
    kind = type_of("ct-image", "", row.keyword)
    letters = row.basic.replace("*", "").split("/")
    if "U" in letters:
        return "U"
    if len(letters) == 1:
        return "D" if letters == ["Z"] and kind == "1" else letters[0]
    wanted = {"1": "D", "2": "Z", "3": "X"}[kind]
    return wanted if wanted in letters else {"X/D": "D", "Z/D": "Z", "X/Z": "Z"}[row.basic]


def check(letter: str, row: Row, before: Dataset, after: Dataset) -> None:
    tag = tag_of(row)
    if row.keyword in ("PatientName", "PatientID"):
        assert str(after[tag].value).startswith("p")
        return
    if letter == "X" or row.keyword == "GraphicAnnotationSequence":
        assert tag not in after
    elif letter == "Z":
        assert after[tag].is_empty
    elif letter == "D":
        assert tag in after
        assert after[tag].value != before[tag].value
        assert "arker" not in str(after[tag].value)
    elif letter == "U" and row.vr == "SQ":
        assert after[tag].value[0].SeriesInstanceUID == Pseudonyms(KEY).uid(MARKER_UID)
        assert "PatientComments" not in after[tag].value[0]
    else:
        assert letter == "U"
        assert after[tag].value == Pseudonyms(KEY).uid(MARKER_UID)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.tag}-{row.keyword}")
def test_basic_action(row: Row) -> None:
    before = marked(row)
    check(expected(row), row, before, cleaned(before, **BARE))


COLUMNS = [(row, column) for row in ROWS for column in row.options if column != "safe_private"]


def options_for(column: str) -> dict[str, Any]:
    if column == "dates_full":
        return {**BARE, "dates": "keep"}
    if column == "dates_modified":
        return {**BARE, "dates": "shift"}
    if column in ("descriptors", "structured", "graphics"):
        return {**BARE, column: True}
    return {**BARE, "retain": frozenset({column})}


@pytest.mark.parametrize(("row", "column"), COLUMNS, ids=lambda value: getattr(value, "tag", value))
def test_action_of_option(row: Row, column: str) -> None:
    """K stays, C is cleaned or shifted; what cannot be cleaned gets the basic action."""
    before, tag = marked(row), tag_of(row)
    after = cleaned(before, **options_for(column))
    action, vr = row.options[column], vr_of(row)
    dated = "dates_full" in row.options and column not in ("dates_full", "dates_modified")
    if dated or vr in ("OB", "UN") or row.tag.startswith(("50", "60")):
        check(expected(row), row, before, after)
    elif vr == "SQ":
        assert after[tag].value[0].SeriesInstanceUID in (MARKER_UID, Pseudonyms(KEY).uid(MARKER_UID))
        assert "Marker" not in str(after[tag])
    elif action == "K":
        assert after[tag].value == before[tag].value
    elif vr in ("DA", "DT"):
        assert after[tag].value == before[tag].value.replace("19870611", "19870512")
    elif column == "dates_modified":
        assert after[tag].value == before[tag].value
    elif vr in ("AE", "CS"):
        check(expected(row), row, before, after)
    else:
        assert after[tag].value == "Spine"


def test_table_is_whole() -> None:
    """The table has the rows of the edition, every tag is one of the data dictionary, every letter is known."""
    rows = table()
    assert len(rows) == 621
    for row in rows.values():
        assert set(row.basic.replace("*", "").split("/")) <= set("DZXU")
        assert set(row.options.values()) <= {"K", "C"}
        if row.keyword and "x" not in row.tag:
            assert keyword_for_tag(int(row.tag, 16)) == row.keyword
            assert dictionary_VR(int(row.tag, 16)) in row.vr
    assert rows["00100010"].basic == "Z"
    assert rows["00100020"].basic == "Z/D"
    assert rows["0020000d"].basic == "U"


def test_wildcards() -> None:
    assert row_of(0x00291010) is table()["private"]
    assert row_of(0x50FE3000) is table()["50xxxxxx"]
    assert row_of(0x60024000) is table()["60xx4000"]
    assert row_of(0x00280010) is None


def test_keep_list_gives_reasons_and_is_apart_from_the_table() -> None:
    for tag, entry in kept().items():
        assert entry.reason
        assert keyword_for_tag(tag) == entry.keyword
        assert row_of(tag) is None
        assert entry.how in ("keep", "clean", "uid", "code", "container", "pixels")
        assert entry.vr not in ("PN", "DA", "DT", "TM", "AE", "UN", "OB")


def test_texts_stay_as_they_are_only_where_listed() -> None:
    """No free text (LT, ST, UT) stays unread; short texts that stay are technical."""
    for entry in kept().values():
        if entry.vr in ("LT", "ST", "UT", "UC", "UR"):
            assert entry.how == "clean" or entry.reason.startswith(("technical", "code"))
        if entry.vr in ("LO", "SH") and entry.how == "keep":
            assert entry.reason.startswith("technical text")


def test_unknown_tags_go() -> None:
    """What is in neither list goes, whatever its VR, at every depth."""
    ds = ct()
    ds.add(DataElement(0x00180099, "LO", "made up"))
    ds.add(DataElement(0x00081190, "UR", "http://nowhere.example"))
    ds.DerivationCodeSequence = Sequence([item(PatientComments="x", RetrieveURL="http://nowhere.example")])
    after = cleaned(ds)
    assert 0x00180099 not in after
    assert 0x00081190 not in after
    assert "nowhere" not in str(after)


def test_wrong_vr_goes() -> None:
    """A number's tag with a text in it is not a number."""
    ds = ct()
    ds[0x00180050] = DataElement(0x00180050, "LO", "Vandermolen")
    ds[0x00180060] = DataElement(0x00180060, "CS", "OTTILIE")
    after = cleaned(ds)
    assert "Vandermolen" not in str(after)
    assert "OTTILIE" not in str(after)


def test_codes_of_options_are_those_of_the_standard() -> None:
    for value, meaning in CODES.values():
        assert meanings()["DCM", value] == meaning


def test_registered() -> None:
    assert registered("1.2.840.10008.1.2.1")
    assert not registered("1.2.840.10008.1.2.19650304")
    assert not registered("")
