"""Leaks that a second reader found, each with the object that showed it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence

from tests.imaging.deidentify.samples import KEY, code, ct, done, item
from vertherm.imaging.deidentify.elements import Refused
from vertherm.imaging.deidentify.finder import Finder
from vertherm.imaging.deidentify.identifiers import Identifiers
from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.run import deidentify
from vertherm.imaging.deidentify.sweep import sweep


def known(**elements: Any) -> Identifiers:
    found = Identifiers(Profile())
    found.collect(ct(**elements))
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("O'Neil^Ann", "ONeil unit"),
        ("O'Neil^Ann", "ONEIL"),
        ("de la Cruz^Ana", "DELACRUZ"),
        ("Le Roy^Ed", "LEROY-PC"),
        ("Smith^John", "SmithCT"),
        ("Smith^John", "CTSmith"),
        ("Smith^John", "jsmith"),
        ("Smith^John", "SMITHJ"),
        ("Smith^John", "Smi\u00adth"),
        ("Smith^John", "Smi\u200bth"),
        ("Wu^Li", "Wu Li"),
        ("Wu^Li", "li wu"),
        ("Mueller^Joerg", "Müller"),
        ("Mueller^Joerg", "Muller"),
        ("Wójcik^Łucja", "Lucja"),
        ("Đorđević^Ana", "Dordevic"),
        ("Yıldız^Ayşe", "YILDIZ"),
        ("Weiß^Ute", "WEISS"),
        ("शर्मा^अनीता", "रोगी शर्मा"),
        ("สมชาย^ใจดี", "สมชาย"),
        ("كريم^علي", "المريض كريم"),
        ("Müllenhöfer^Ute", "Müllenhöfer".encode().decode("latin-1")),
        ("Müller^Ute", "Müller".encode().decode("latin-1")),
    ],
)
def test_name_is_found_however_it_is_spelled(name: str, text: str) -> None:
    """Apostrophes, particles, camel case, logins, short names, ae for ä, strokes, marks, a wrong character set."""
    assert known(PatientName=name).inside(text)


@pytest.mark.parametrize(
    "text",
    [
        "SIEMENS",
        "Philips Medical Systems",
        "GE MEDICAL SYSTEMS",
        "TOSHIBA_MEC",
        "Canon",
        "B30f",
        "syngo CT 2012B",
        "SOMATOM",
    ],
)
@pytest.mark.parametrize("name", ["Smith^John", "Wu^Li", "Phil^Ann", "Mann^Ted", "Cano^Eva", "O'Neil^Ann"])
def test_technical_text_is_not_taken_for_a_name(name: str, text: str) -> None:
    assert not known(PatientName=name).inside(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [("0004471990", "4471990"), ("HX-447199-B", "447199"), ("0000447199", "447199")],
)
def test_number_is_found_without_its_letters_and_leading_zeros(number: str, text: str) -> None:
    found = known(PatientID=number)
    assert found.inside(text)
    assert found.is_number(text)


@pytest.mark.parametrize("keyword", ["ExposureTime", "AcquisitionNumber", "SeriesNumber"])
def test_number_without_leading_zeros_in_an_integer(tmp_path: Path, keyword: str) -> None:
    """An IS drops the zeros that a record's number begins with."""
    (found,), _ = done(tmp_path, ct(PatientID="0004471990", **{keyword: "4471990"}))
    assert "4471990" not in str(found)


def test_date_with_decimals_is_a_date(tmp_path: Path) -> None:
    (found,), _ = done(tmp_path, ct(DistanceSourceToDetector="20190704.0", TriggerTime="20190704.1011"))
    assert "20190704" not in str(found)


def test_digits_of_a_coordinate_are_no_date(tmp_path: Path) -> None:
    """-190.704 is a place and not 4 July 2019: it stays, and is not replaced by a dummy."""
    place = ["-190.704", "-04.0719", "20.190704"]
    (found,), outcome = done(tmp_path, ct(PatientID="447199", ImagePositionPatient=place, RescaleIntercept="4471.99"))
    assert outcome.refused == []
    assert [str(part.original_string) for part in found.ImagePositionPatient] == place
    assert found.RescaleIntercept == 4471.99


@pytest.mark.parametrize(
    "elements",
    [
        {"ImagePositionPatient": ["0", "0", "447199"]},
        {"RescaleSlope": "447199"},
        {"PhotometricInterpretation": "447199"},
    ],
    ids=lambda elements: next(iter(elements)),
)
def test_geometry_is_never_replaced(tmp_path: Path, elements: dict[str, Any]) -> None:
    """What places or scales the pixels stays as it is, or the object is refused: a dummy would be another image."""
    _, outcome = done(tmp_path, ct(), ct(OtherPatientIDs="447199", **elements))
    assert [row.tag for row in outcome.refused] == list(elements)


def test_date_in_a_binary_number(tmp_path: Path) -> None:
    """UL and FD can hold a date or a record's number as well as a text can."""
    given = ct(PatientID="77441299")
    given.SimpleFrameList, given.TimeRange = [20190704], [77441299.0, 1.0]
    (found,), _ = done(tmp_path, given)
    assert "20190704" not in str(found)
    assert "77441299" not in str(found)


def wrong(ds: Any, tag: int, vr: str, value: Any) -> Any:
    """The data set with an element of a VR that is not its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ds[tag] = DataElement(tag, vr, value)
    return ds


def test_name_under_a_wrong_vr_is_still_a_name(tmp_path: Path) -> None:
    """A PatientName written as LO names the patient all the same, and its parts are looked for."""
    given = wrong(ct(Manufacturer="Scanner of Ottilie"), 0x00100010, "LO", "Vandermolen^Ottilie")
    (found,), _ = done(tmp_path, given)
    assert "Ottilie" not in str(found)


def test_date_under_a_wrong_vr_is_still_a_date(tmp_path: Path) -> None:
    given = wrong(ct(ImageType=["ORIGINAL", "PRIMARY", "20190821"]), 0x00080022, "LO", "20190821")
    (found,), _ = done(tmp_path, given)
    assert "20190821" not in str(found)


@pytest.mark.parametrize("value", ["4471234", "2019-08-21", "SCAN 20190821", "A447123"])
def test_long_number_in_a_code(tmp_path: Path, value: str) -> None:
    """A code of the standard holds no long number, whether the input names it elsewhere or not."""
    given = wrong(ct(), 0x00080008, "CS", ["ORIGINAL", "PRIMARY", value])
    (found,), _ = done(tmp_path, wrong(given, 0x00180015, "CS", value))
    assert value not in str(found)


def test_name_split_over_values(tmp_path: Path) -> None:
    (found,), _ = done(tmp_path, ct(ConvolutionKernel=["B30Vander", "molen"], SoftwareVersions=["VB10", "syngo"]))
    assert "molen" not in str(found)
    assert list(found.SoftwareVersions) == ["VB10", "syngo"]


@pytest.mark.parametrize(
    "text",
    ["Praxis Dr. Zweig", "Scanner of Dr Zweig", "Prof. Zweig", "Mrs. Zweig", "Herr Zweig", "Frau Zweig",
     "Nowhere Hospital", "Klinikum Nowhere", "Universitaetsklinik Nowhere", "Clinic of Nowhere", "Nowhere University",
     "Mme Zweig"],
)  # fmt: skip
def test_titles_and_houses_in_technical_text(tmp_path: Path, text: str) -> None:
    """A technical text with a title or a kind of house speaks of a person or a place that no other element names."""
    (found,), _ = done(tmp_path, ct(ManufacturerModelName=text))
    assert "Zweig" not in str(found)
    assert "Nowhere" not in str(found)


@pytest.mark.parametrize(
    "text", ["DR 9500", "Discovery MR750w", "Siemens Healthineers", "DRX Evolution", "syngo MR E11"]
)
def test_technical_text_stays(tmp_path: Path, text: str) -> None:
    (found,), _ = done(tmp_path, ct(ManufacturerModelName=text))
    assert text == found.ManufacturerModelName


@pytest.mark.parametrize(
    "elements",
    [
        {"ImageType": ["DERIVED", "SECONDARY", "CT_SOM8 PROT"]},
        {"ImageType": ["DERIVED", "SECONDARY", "SCREEN CAPTURE"]},
        {"SeriesDescription": "Patient Protocol"},
        {"SeriesDescription": "Dose Report"},
        {"SeriesDescription": "Screen Save 2"},
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsAllocated": 8,
         "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0, "PixelData": b"\1" * 60},
        {"PhotometricInterpretation": "PALETTE COLOR"},
    ],
    ids=str,
)  # fmt: skip
def test_pages_and_colours_in_an_image_class(tmp_path: Path, elements: dict[str, Any]) -> None:
    """Pages with names are stored as CT images too; a CT or MR in colours is a picture that a program made."""
    _, outcome = done(tmp_path, ct(), ct(**elements))
    assert [row.accept for row in outcome.refused] == ["burnt-in"]


def test_overlay_position_under_another_vr(tmp_path: Path) -> None:
    given = wrong(ct(BitsStored=12, HighBit=11), 0x60000102, "OB", b"\x0c\0")
    _, outcome = done(tmp_path, ct(), given)
    assert [row.tag for row in outcome.refused] == ["OverlayBitPosition"]


def test_what_cannot_be_read_back_refuses(tmp_path: Path) -> None:
    """The last look does not pass over an element that it cannot read."""
    given = ct()
    path = tmp_path / "x.dcm"
    made = pydicom.Dataset()
    made.file_meta = given.file_meta
    made.SOPClassUID, made.SOPInstanceUID, made.ExposureTime = given.SOPClassUID, given.SOPInstanceUID, 44
    made.file_meta.MediaStorageSOPInstanceUID = given.SOPInstanceUID
    pydicom.dcmwrite(path, made, enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(b"IS\x02\x0044", b"IS\x02\x00zq"))
    with pytest.raises(Refused, match="cannot be read again"):
        sweep(path, known(), {str(given.SOPInstanceUID)})


def test_retained_uids_are_pointed_at(tmp_path: Path) -> None:
    """UIDs often hold the date and the device: whoever keeps them beside moved dates is told so."""
    from vertherm.imaging.deidentify.report import document

    profile = Profile(retain=frozenset({"uids"}))
    _, outcome = done(tmp_path, ct(), retain=frozenset({"uids"}))
    assert any("UID" in note for note in document(outcome, profile)["notes"])
    assert not any("UID" in note for note in document(outcome, Profile())["notes"])


def test_nothing_is_said_of_the_input(tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: Any) -> None:
    """Values that break their VR make the reader talk; none of it reaches stdout, stderr or a log."""
    given = wrong(ct(), 0x00180022, "CS", "of Vandermolen, Ottilie: too long for a code")
    given = wrong(given, 0x00080020, "DA", "Vandermolen")
    given = wrong(given, 0x00280030, "DS", "0.5")
    (tmp_path / "in").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        given.save_as(tmp_path / "in" / "a.dcm", enforce_file_format=True)
    caplog.clear()
    deidentify(tmp_path / "in", tmp_path / "out", KEY)
    said = "".join(capfd.readouterr()) + caplog.text
    assert "Vandermolen" not in said


def test_nested_identity_of_another_patient(tmp_path: Path) -> None:
    """A number within a sequence gets the pseudonym of that number, and its name goes."""
    (found,), _ = done(
        tmp_path, ct(RequestAttributesSequence=Sequence([item(PatientID="HX-1", PatientName="Zweig^Ida")]))
    )
    assert "Zweig" not in str(found)
    assert "HX-1" not in str(found)


@pytest.mark.parametrize(
    "elements",
    [{"RecognizableVisualFeatures": "YES"}, {"ProtocolName": "Kopf nativ"}, {"SeriesDescription": "HWS sag"},
     {"AnatomicRegionSequence": code("69536005", "SCT", "Head")}],
    ids=str,
)  # fmt: skip
def test_head_is_pointed_at(tmp_path: Path, elements: dict[str, Any]) -> None:
    _, outcome = done(tmp_path, ct(**elements), ct(BodyPartExamined="LSPINE"))
    assert outcome.heads == 1


@pytest.mark.parametrize("part", ["LSPINE", "TSPINE", "ABDOMEN", "WHOLEBODY", "LUMBAR SPINE"])
def test_body_part_stays(tmp_path: Path, part: str) -> None:
    (found,), _ = done(tmp_path, ct(BodyPartExamined=part))
    assert part == found.BodyPartExamined


def test_what_is_typed_as_body_part_is_cleaned(tmp_path: Path) -> None:
    """Of all codes this is the one that people type: a name there need not stand anywhere else."""
    (found,), _ = done(tmp_path, ct(BodyPartExamined="LSPINE QUARTERMA"))
    assert found.BodyPartExamined == "LSPINE"


@given(
    st.lists(st.text("ab", min_size=1, max_size=9), max_size=6),
    st.text("ab", max_size=40),
)
def test_finder_finds_what_plain_search_finds(strings: list[str], text: str) -> None:
    """One walk through the text gives the same answer as one search for each string, of texts and of bytes."""
    expected = any(string in text for string in strings)
    assert Finder(strings).found(text) == expected
    assert Finder([string.encode() for string in strings]).found(text.encode()) == expected


@pytest.mark.parametrize(
    ("before", "dates", "after"),
    [("MODIFIED", "keep", "MODIFIED"), ("REMOVED", "keep", "REMOVED"), ("REMOVED", "shift", "REMOVED"),
     ("MODIFIED", "remove", "REMOVED"), ("UNMODIFIED", "shift", "MODIFIED"), ("nonsense", "keep", "UNMODIFIED")],
)  # fmt: skip
def test_dates_moved_before_are_not_called_original(tmp_path: Path, before: str, dates: Any, after: str) -> None:
    given = wrong(ct(), 0x00280303, "CS", before)
    (found,), _ = done(tmp_path, given, dates=dates)
    assert after == found.LongitudinalTemporalInformationModified
