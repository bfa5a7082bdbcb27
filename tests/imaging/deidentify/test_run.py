"""A folder in, a consistent set out or nothing: refusals, marks, options, the last look, the report."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian, generate_uid

from tests.imaging.deidentify.samples import KEY, all_bytes, code, ct, done, holds, item, save
from vertherm.core.errors import InputError
from vertherm.imaging.deidentify import dates, run
from vertherm.imaging.deidentify.cleaner import Cleaner
from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.run import deidentify

PDF, SC, US = "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.6.1"
SR = "1.2.840.10008.5.1.4.1.1.88.33"


def report(text: str = "Patient Vandermolen has a lesion") -> Any:
    """A structured report with text, a person's name, a date and a number."""
    concept = code("121071", "DCM", "Finding")
    content = [
        item(RelationshipType="CONTAINS", ValueType="TEXT", ConceptNameCodeSequence=concept, TextValue=text),
        item(RelationshipType="HAS OBS CONTEXT", ValueType="PNAME", ConceptNameCodeSequence=concept, PersonName="X^Y"),
        item(RelationshipType="CONTAINS", ValueType="DATE", ConceptNameCodeSequence=concept, Date="20190704"),
        item(
            RelationshipType="CONTAINS",
            ValueType="NUM",
            ConceptNameCodeSequence=concept,
            MeasuredValueSequence=Sequence([item(NumericValue="4.5")]),
        ),
    ]
    if not text:
        content = content[1:]
    return ct(
        SOPClassUID=SR, Modality="SR", ImageType=None, PixelData=None, ValueType="CONTAINER", ContentSequence=content,
        ConceptNameCodeSequence=concept, VerifyingObserverSequence=[item(
            VerifyingObserverName="Quillington^Barnaby", VerifyingOrganization="Nowhere",
            VerificationDateTime="20190705",
        )],
    )  # fmt: skip


REFUSED = [
    ({"BurnedInAnnotation": "YES"}, "BurnedInAnnotation", "burnt-in"),
    ({"SOPClassUID": SC}, "SOPClassUID", "burnt-in"),
    ({"SOPClassUID": US}, "SOPClassUID", "burnt-in"),
    ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "ImageType", "burnt-in"),
    ({"ConversionType": "WSD"}, "ConversionType", "burnt-in"),
    ({"Modality": "OT"}, "Modality", "burnt-in"),
    ({"SOPClassUID": PDF, "EncapsulatedDocument": b"%PDF", "PixelData": None}, "SOPClassUID", "documents"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66"}, "SOPClassUID", ""),
    ({"SOPClassUID": "1.3.12.2.1107.5.9.1"}, "SOPClassUID", ""),
    ({"PixelData": b"\0" * 38}, "PixelData", ""),
    ({"StudyInstanceUID": None}, "StudyInstanceUID", ""),
]


@pytest.mark.parametrize(("elements", "tag", "accept"), REFUSED, ids=lambda value: str(value)[:40])
def test_refused(tmp_path: Path, elements: dict[str, Any], tag: str, accept: str) -> None:
    """Refused with the attribute named, written when accepted, and then recorded in the object."""
    given = ct(**elements)
    (written,), outcome = done(tmp_path, ct(), given)
    (refusal,) = outcome.refused
    assert (refusal.tag, refusal.accept, refusal.number) == (tag, accept, 2)
    assert written.Modality == "CT"
    if accept:
        both, outcome = done(tmp_path, ct(), given, accept=frozenset({accept}))
        assert len(both) == 2
        assert "Accepted" in str(both[1].DeidentificationMethod)
        assert "Accepted" not in str(both[0].DeidentificationMethod)
        assert outcome.accepted[accept] == 1


def test_overlay_bits_within_pixels(tmp_path: Path) -> None:
    given = ct(BitsStored=12, HighBit=11)
    given.add(DataElement(0x60000102, "US", 12))
    _, outcome = done(tmp_path, ct(), given)
    assert [row.tag for row in outcome.refused] == ["OverlayBitPosition"]


def test_structured_report(tmp_path: Path) -> None:
    """Without free text it is cleaned; with free text it is refused, or reduced to words of the list."""
    (found,), _ = done(tmp_path, report(""))
    values = [element.value for element in found.iterall()]
    assert found.ContentSequence[-1].MeasuredValueSequence[0].NumericValue == 4.5
    assert found.ContentSequence[0].PersonName == "REMOVED"
    assert found.ContentSequence[1].Date != "20190704"
    assert found.VerifyingObserverSequence[0].VerifyingObserverName == "REMOVED"
    assert "20190704" not in values
    with pytest.raises(InputError, match="Every object was refused") as caught:
        done(tmp_path, report())
    assert "--accept free-text" in caught.value.advice
    (found,), _ = done(tmp_path, report(), accept=frozenset({"free-text"}))
    assert found.ContentSequence[0].TextValue == "Patient lesion"
    _, outcome = done(tmp_path, ct(), report(""), structured=False)
    assert [row.tag for row in outcome.refused] == ["ContentSequence"]


def test_marks(tmp_path: Path) -> None:
    """The object says itself what was done to it, with the codes of the standard."""
    (shifted,), _ = done(tmp_path, ct(), retain=frozenset({"patient", "device"}))
    assert shifted.PatientIdentityRemoved == "YES"
    assert shifted.LongitudinalTemporalInformationModified == "MODIFIED"
    values = [entry.CodeValue for entry in shifted.DeidentificationMethodCodeSequence]
    assert values == ["113100", "113104", "113105", "113107", "113108", "113109"]
    assert {entry.CodingSchemeDesignator for entry in shifted.DeidentificationMethodCodeSequence} == {"DCM"}
    (kept,), _ = done(tmp_path, ct(), dates="keep")
    (removed,), _ = done(tmp_path, ct(), dates="remove", descriptors=False)
    assert kept.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert removed.LongitudinalTemporalInformationModified == "REMOVED"
    assert kept.StudyDate == "20190704"
    assert removed.StudyDate == ""
    assert kept.PatientBirthDate == removed.PatientBirthDate == shifted.PatientBirthDate == ""


def test_patient_characteristics(tmp_path: Path) -> None:
    """Sex, age, size and weight stay when asked for; an age over 89 becomes 90."""
    (bare,), _ = done(tmp_path, ct(PatientAge="093Y"))
    assert bare.PatientSex == ""
    assert "PatientAge" not in bare
    assert "PatientWeight" not in bare
    (kept,), _ = done(tmp_path, ct(PatientAge="093Y"), retain=frozenset({"patient"}))
    assert (kept.PatientSex, kept.PatientAge, float(kept.PatientSize), int(kept.PatientWeight)) == (
        "F",
        "090Y",
        1.71,
        66,
    )
    assert kept.PatientBirthDate == ""


def test_intervals_and_times_stay(tmp_path: Path) -> None:
    first, second = ct(), ct(StudyDate="20200103", ContentDate="20200104", AcquisitionDateTime="20200103101112.5")
    (one, two), _ = done(tmp_path, first, second)
    days = [dates.parse(ds.StudyDate) for ds in (one, two)]
    assert (days[1] - days[0]).days == 183
    assert one.StudyTime == "101112"
    assert two.AcquisitionDateTime[8:] == "101112.5"
    assert one.PatientID == two.PatientID


def test_safe_private(tmp_path: Path) -> None:
    """Listed private numbers stay when asked for, unlisted ones of the same block go."""
    given = ct()
    block = given.private_block(0x19, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", 800)
    block.add_new(0x0F, "LO", "Vandermolen")
    (bare,), _ = done(tmp_path, given)
    assert not any(element.tag.is_private for element in bare)
    (kept,), _ = done(tmp_path, given, retain=frozenset({"safe-private"}))
    assert kept.private_block(0x19, "SIEMENS MR HEADER")[0x0C].value == 800
    assert len([element for element in kept if element.tag.is_private]) == 2


def test_references_and_uids_of_two_runs_match(tmp_path: Path) -> None:
    """Objects that come later with the same key still belong to the same study; with another key they do not."""
    first, second = ct(), ct()
    second.StudyInstanceUID, second.ReferencedImageSequence = first.StudyInstanceUID, [
        item(ReferencedSOPClassUID=first.SOPClassUID, ReferencedSOPInstanceUID=first.SOPInstanceUID)
    ]  # fmt: skip
    (one,), _ = done(tmp_path, first)
    (two,), _ = done(tmp_path, second)
    (other,), _ = done(tmp_path, second, key=KEY[::-1])
    assert two.StudyInstanceUID == one.StudyInstanceUID
    assert two.ReferencedImageSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID
    assert other.StudyInstanceUID != one.StudyInstanceUID
    assert other.PatientID != one.PatientID


def test_two_runs_are_the_same(tmp_path: Path) -> None:
    source = save(tmp_path / "in", ct(), ct(), ct(PatientID="other"))
    for name in ("a", "b"):
        deidentify(source, tmp_path / name, KEY)
    assert all_bytes(tmp_path / "a") == all_bytes(tmp_path / "b")
    deidentify(source, tmp_path / "c", KEY[::-1])
    assert all_bytes(tmp_path / "a") != all_bytes(tmp_path / "c")


def test_duplicates(tmp_path: Path) -> None:
    """The same object twice is written once; other content under the same UID is refused."""
    given, twin = ct(), ct()
    for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(twin, name, getattr(given, name))
    twin.KVP, twin.file_meta.MediaStorageSOPInstanceUID = "80", given.SOPInstanceUID
    written, outcome = done(tmp_path, given, given, twin)
    assert outcome.duplicates == 1
    assert [row.tag for row in outcome.refused] == ["SOPInstanceUID"]
    assert len({str(path) for path in outcome.written.values()}) == 1
    assert written[0].KVP == 120


def test_old_files_without_meta_information(tmp_path: Path) -> None:
    """A file without preamble and meta information gets both; the input has no trailing anything."""
    given = ct()
    (tmp_path / "in").mkdir()
    pydicom.dcmwrite(
        tmp_path / "in" / "old", pydicom.Dataset(given), implicit_vr=True, little_endian=True, enforce_file_format=False
    )
    outcome = deidentify(tmp_path / "in", tmp_path / "out", KEY)
    (path,) = outcome.written.values()
    found = pydicom.dcmread(path)
    assert found.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert found.PixelData == given.PixelData


def test_broken_and_other_files(tmp_path: Path) -> None:
    """A broken file is refused, another kind of file is counted, neither is quoted in the report."""
    source = save(tmp_path / "in", ct())
    (source / "Vandermolen.txt").write_text("Vandermolen")
    (source / "Vandermolen.dcm").write_bytes((source / "im000.dcm").read_bytes()[:900])
    (source / "link.dcm").symlink_to(source / "im000.dcm")
    outcome = deidentify(source, tmp_path / "out", KEY)
    assert len(outcome.written) == len(outcome.refused) == 1
    assert outcome.others == 2
    assert not holds(all_bytes(tmp_path / "out"), "Vandermolen")


def test_report(tmp_path: Path) -> None:
    """Counts, options, refusals by number; nothing of the input; a head is said."""
    _, outcome = done(tmp_path, ct(BodyPartExamined="HEAD"), ct(Modality="OT"), dates="remove")
    folder = next(path for path in tmp_path.iterdir() if path.name.startswith("out"))
    told = json.loads((folder / "deidentified.json").read_text())
    assert told["instances"] == told["patients"] == told["series"] == 1
    assert told["options"]["dates"] == "remove"
    assert told["refused"] == [
        {
            "file_number": 2,
            "reason": "Refused: nobody knows what images of modality OT show.",
            "attribute": "Modality",
            "accept": "burnt-in",
        }
    ]
    assert told["actions"]["UID mapped"] == outcome.actions["UID mapped"] == 4
    assert any("face" in note for note in told["notes"])
    assert KEY.hex() not in all_bytes(folder).decode("latin-1")


@pytest.mark.parametrize("place", ["in", "in/out", ".", "full"])
def test_output_that_would_mix(tmp_path: Path, place: str) -> None:
    source = save(tmp_path / "work" / "in", ct())
    save(tmp_path / "work" / "full", ct())
    before = all_bytes(tmp_path)
    with pytest.raises(InputError, match="output"):
        deidentify(source, tmp_path / "work" / place, KEY)
    assert all_bytes(tmp_path) == before


def test_nothing_to_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such source"):
        deidentify(tmp_path / "none", tmp_path / "out", KEY)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no DICOM file"):
        deidentify(tmp_path / "empty", tmp_path / "out", KEY)
    with pytest.raises(InputError, match="Every object was refused"):
        done(tmp_path, ct(Modality="OT"))
    assert not list(tmp_path.glob("out*")) + list(tmp_path.glob(".*"))


def test_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All or nothing: an error after the first file leaves no file."""
    source, calls = save(tmp_path / "in", ct(), ct()), []

    def failing(*args: Any, **more: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(run, "sweep", failing)
    with pytest.raises(KeyboardInterrupt):
        deidentify(source, tmp_path / "out", KEY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


LEAKS: list[tuple[str, Any]] = [
    ("SeriesDescription", "spine of Vandermolen"),
    ("SeriesDescription", "VANDERMOLEN"),
    ("StationName", "HX-4471-99"),
    ("ImageComments", "born 3.2.1951"),
    ("ContentDate", "20190704"),
    ("ImageType", ["ORIGINAL", "PRIMARY", "OTTILIE"]),
    ("SynchronizationFrameOfReferenceUID", "1.2.3.4"),
    ("PatientAge", "068Y"),
    ("ScanOptions", "ACC7741209"),
    ("RequestAttributesSequence", [item(ScheduledProcedureStepDescription="for Dr. Quillington")]),
    ("RedPaletteColorLookupTableData", b"..Vandermolen.."),
    ("ExposureTime", "447199"),
    ("StationName", "1.2.3.4.5.6"),
]


@pytest.mark.parametrize(("keyword", "value"), LEAKS, ids=lambda value: str(value)[:30])
def test_last_look_finds_what_cleaning_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keyword: str, value: Any
) -> None:
    """Cleaning made blind on purpose: the object is refused, the attribute named, nothing written."""
    true_clean = Cleaner.clean

    def careless(self: Cleaner, dataset: Any, iod: str) -> Any:
        cleaned, made = true_clean(self, dataset, iod)
        setattr(cleaned, keyword, value)
        return cleaned, made

    monkeypatch.setattr(Cleaner, "clean", careless)
    given = ct(OtherPatientIDs="447199")
    with pytest.raises(InputError, match="Every object was refused") as caught:
        done(tmp_path, given)
    assert "identifying string would remain" in caught.value.got
    assert (
        keyword if keyword != "RequestAttributesSequence" else "ScheduledProcedureStepDescription"
    ) in caught.value.got
    assert not list(tmp_path.glob("out*"))


def test_comment_in_compressed_pixels(tmp_path: Path) -> None:
    """A name in a comment of a compressed frame is found."""
    from pydicom.uid import JPEGLSLossless

    given = ct()
    given.compress(JPEGLSLossless)
    data = given.PixelData
    at = data.index(b"\xff\xd8") + 2
    comment = b"\xff\xfe\x00\x14Vandermolen^Ottil."
    start = data.rindex(b"\xfe\xff\x00\xe0", 0, at)
    size = int.from_bytes(data[start + 4 : start + 8], "little") + len(comment)
    given.PixelData = data[: start + 4] + size.to_bytes(4, "little") + data[start + 8 : at] + comment + data[at:]
    _, outcome = done(tmp_path, ct(), given)
    assert [row.reason for row in outcome.refused] == ["An identifying string would remain."]


def test_character_sets(tmp_path: Path) -> None:
    """What needs more than ASCII is written in UTF-8 and says so; plain objects name no character set."""
    (plain,), _ = done(tmp_path, ct(SpecificCharacterSet="ISO_IR 100"))
    assert "SpecificCharacterSet" not in plain
    (wide,), _ = done(tmp_path, ct(Manufacturer="東芝"))
    assert wide.SpecificCharacterSet == "ISO_IR 192"
    assert wide.Manufacturer == "東芝"


def test_pixels_behind_the_image_and_preamble(tmp_path: Path) -> None:
    given = ct()
    given.PixelData += b"Vandermolen!"
    given.preamble = b"Vandermolen!".ljust(128, b"\0")
    (found,), outcome = done(tmp_path, given)
    assert len(found.PixelData) == 40
    (path,) = outcome.written.values()
    assert path.read_bytes()[:128] == b"\0" * 128


def test_names_of_files_and_folders(tmp_path: Path) -> None:
    """Paths are made of pseudonym and new UIDs."""
    (found,), outcome = done(tmp_path, ct())
    (path,) = outcome.written.values()
    assert path.parts[-4:] == (
        found.PatientID, found.StudyInstanceUID, found.SeriesInstanceUID, f"{found.SOPInstanceUID}.dcm",
    )  # fmt: skip


def test_deep_nesting_and_wide_sequences(tmp_path: Path) -> None:
    """What is nested deep is cleaned like the rest; what is nested absurdly deep is refused."""
    inner = item(PatientName="Vandermolen^Ottilie", ReferencedSOPInstanceUID=generate_uid())
    for _ in range(12):
        inner = item(SourceImageSequence=Sequence([inner]), PatientComments="Vandermolen")
    (found,), _ = done(tmp_path, ct(DerivationImageSequence=[inner]))
    assert "Vandermolen" not in str(found)
    for _ in range(40):
        inner = item(SourceImageSequence=Sequence([inner]))
    _, outcome = done(tmp_path, ct(), ct(DerivationImageSequence=[inner]))
    assert len(outcome.refused) == 1


def test_values_that_break_their_vr(tmp_path: Path) -> None:
    """Numbers that are texts, codes that are sentences: replaced or gone, and no crash."""
    given = ct()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        given.add(DataElement(0x00181151, "IS", "7"))
        given.ScanOptions, given.BodyPartExamined = "spine of somebody's aunt", "aunt"
        given.FilterType = "x" * 200
        save(tmp_path / "in", given)
    path = tmp_path / "in" / "im000.dcm"
    path.write_bytes(path.read_bytes().replace(b"IS\x02\x007 ", b"IS\x02\x00zq"))
    outcome = deidentify(tmp_path / "in", tmp_path / "out", KEY)
    (made,) = outcome.written.values()
    found = pydicom.dcmread(made)
    assert "XRayTubeCurrent" not in found
    assert "ScanOptions" not in found
    shutil.rmtree(tmp_path / "out")


def test_what_identifies_in_codes_and_numbers_is_replaced(tmp_path: Path) -> None:
    """The object is written: the other values of a code keep their places, a number that is a record's goes."""
    given = ct(
        ImageType=["ORIGINAL", "VANDERMOLEN", "AXIAL"], OtherPatientIDs="447199", ExposureTime="447199", Exposure="44",
        AnatomicRegionSequence=code("99999999", "SCT", "Spine of aunt Berta"),
    )  # fmt: skip
    (found,), outcome = done(tmp_path, given)
    assert outcome.refused == []
    assert list(found.ImageType) == ["ORIGINAL", "REMOVED", "AXIAL"]
    assert "ExposureTime" not in found
    assert found.Exposure == 44
    assert found.AnatomicRegionSequence[0].CodeMeaning == "Spine of"


def test_profile_of_the_run_is_the_default() -> None:
    assert Profile().options == {"dates_modified", "descriptors", "structured"}
