"""Identifying strings put anywhere: none of them occurs anywhere in what is written.

``VERTHERM_WIDE=2500`` draws that many persons instead of 120, with seeds of their own where CI is not true.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from tests.imaging.deidentify.samples import KEY, all_bytes, code, ct, holds, item
from vertherm.core.errors import InputError
from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.run import deidentify

NAMES = {
    "ISO_IR 192": [
        "Österreicher^Jürgen^Ångström",
        "Nguyễn^Thị Hạnh",
        "O'Shaughnessy^Siobhán",
        "Wójcikowska^Łucja",
        "de la Cruz^Anahí",
        "Yıldızoğlu^Ayşegül",
        "शर्मा^अनीता",
        "Димитров^Стойчо=ДИМИТРОВ^СТОЙЧО",
    ],
    "ISO_IR 100": ["Müllenhöfer^Günther", "Fernández-Ibáñez^José María", "Beauséjour^Hélène"],
    "ISO_IR 144": ["Люксембургова^Надежда"],
    "ISO_IR 126": ["Διονυσόπουλος^Άγγελος"],
    "\\ISO 2022 IR 87": ["Yamadamoto^Tarozaemon=山田本^太郎左=やまだもと^たろうざえもん"],
    "\\ISO 2022 IR 149": ["Hwangbo^Gildongja=黃甫^吉洞子=황보^길동자"],
    "GB18030": ["Ouyangxiu^Xiaodongmei=欧阳修^小东梅"],
    "": ["Vandermolen^Ottilie"],
}
EXAMPLES = int(os.environ.get("VERTHERM_WIDE", "120"))
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@st.composite
def people(draw: st.DrawFn) -> dict[str, Any]:
    """A made-up person with all that identifies."""
    charset = draw(st.sampled_from(sorted(NAMES)))
    invented = "zq" + draw(st.text(LETTERS, min_size=4, max_size=9))
    name = draw(st.sampled_from(NAMES[charset]) | st.just(f"{invented.title()}^Xq{invented}"))
    digits = draw(st.integers(10**6, 10**10 - 1))
    return {
        "charset": charset,
        "name": name,
        "number": draw(
            st.sampled_from([f"HX{digits}", f"{digits}", f"{digits % 10**6:06d}/K", f"A-{digits}-B", f"000{digits}"])
        ),
        "accession": f"ACC{draw(st.integers(10**5, 10**7))}",
        "birth": draw(st.dates(date(1920, 1, 1), date(2005, 12, 31))),
        "study": draw(st.dates(date(2012, 1, 1), date(2024, 12, 31))),
        "phone": f"+49 89 {draw(st.integers(10**6, 10**8))}",
        "street": f"Zwirnerweg {draw(st.integers(100, 999))}",
        "institution": f"Klinikum {invented.title()}hausen",
        "uid": f"1.2.826.0.99.{draw(st.integers(10**8, 10**12))}",
    }


PLACES = (
    "SeriesDescription", "StudyDescription", "ProtocolName", "ImageComments", "Manufacturer", "ManufacturerModelName",
    "SoftwareVersions", "SequenceName", "ConvolutionKernel", "ContrastBolusAgent", "DerivationDescription", "ImageType",
    "OtherPatientIDs", "PatientComments", "AdditionalPatientHistory", "RequestingPhysician", "StationName", "KVP",
    "private", "private sequence", "unknown", "overlay", "trailing", "preamble", "meta", "file name", "code",
    "local code", "deep", "icon", "kernel list", "UN", "uid text", "request", "ScanOptions", "SegmentLabel", "DS",
    "behind pixels", "WindowCenterWidthExplanation", "PositionReferenceIndicator", "FilterType", "equipment",
    "undeclared", "split", "wrong VR", "binary", "ContentLabel", "DimensionDescriptionLabel", "ReceiveCoilName",
    "StackID", "PulseSequenceName", "functional group", "ImagedNucleus", "BodyPartExamined", "frame text",
    "mojibake",
)  # fmt: skip


def put(ds: FileDataset, place: str, text: str) -> str:
    """Put a text at a place; the file's name."""
    short, name = text[:64], "image.dcm"
    coded = "".join(letter for letter in text if letter.isascii())[:16]
    if place == "private":
        ds.private_block(0x29, "SOMEBODY'S HEADER", create=True).add_new(0x10, "LO", short)
        ds.private_block(0x19, "SIEMENS MR HEADER", create=True).add_new(0x0D, "CS", coded)
    elif place == "private sequence":
        block = ds.private_block(0x11, short, create=True)
        block.add_new(0x01, "SQ", Sequence([item(PatientComments=text, SeriesDescription=short)]))
    elif place == "unknown":
        ds.add(DataElement(0x00189999, "LT", text))
    elif place == "UN":
        ds.add(DataElement(0x00180022, "UN", coded.encode()))
    elif place == "overlay":
        ds.add(DataElement(0x60000022, "LO", short))
        ds.add(DataElement(0x60004000, "LT", text))
    elif place == "trailing":
        ds.add(DataElement(0xFFFCFFFC, "OB", text.encode("utf-8") + b"\0" * (len(text.encode()) % 2)))
    elif place == "preamble":
        ds.preamble = text.encode("utf-8")[:128].ljust(128, b"\0")
    elif place == "meta":
        ds.file_meta.SourceApplicationEntityTitle = "".join(c for c in text if c.isascii() and c.isalnum())[:16]
        ds.file_meta.PrivateInformationCreatorUID = "1.2.3.4"
        ds.file_meta.PrivateInformation = text.encode("utf-8") + b"\0" * (len(text.encode()) % 2)
    elif place == "file name":
        name = "".join(c for c in text if c.isalnum())[:40] + ".dcm"
    elif place == "code":
        ds.AnatomicRegionSequence = code("51282000", "SCT", short)
    elif place == "local code":
        ds.ProcedureCodeSequence = code(short[:16], short[:16], short)
    elif place == "deep":
        deep = item(ReferencedSOPInstanceUID=generate_uid(), PurposeOfReferenceCodeSequence=code("X1", "DCM", short))
        deep.ContentDescription = short
        ds.DerivationImageSequence = Sequence([item(SourceImageSequence=Sequence([deep]), PatientName=short)])
    elif place == "icon":
        ds.IconImageSequence = Sequence([item(Rows=1, Columns=1, ImageComments=text)])
    elif place == "kernel list":
        ds.ConvolutionKernel = ["B30f", short[:16]]
    elif place == "uid text":
        ds.SynchronizationFrameOfReferenceUID = ds.PresentationDisplayCollectionUID = generate_uid()
        ds.DimensionOrganizationSequence = Sequence([item(DimensionDescriptionLabel=short)])
    elif place == "request":
        ds.RequestAttributesSequence = Sequence(
            [item(ScheduledProcedureStepDescription=short, RequestedProcedureID=short[:16])]
        )
    elif place == "equipment":
        ds.ContributingEquipmentSequence = Sequence([item(InstitutionName=short, Manufacturer=short)])
    elif place == "SegmentLabel":
        ds.SegmentSequence = Sequence([item(SegmentNumber=1, SegmentLabel=short, SegmentDescription=short)])
    elif place == "DS":
        digits = "".join(c for c in text if c.isdecimal() and c.isascii())[:12]
        ds.ExposureTime, ds.DistanceSourceToDetector = digits or "1", digits or "1"
    elif place == "split":
        ds.ConvolutionKernel = [short[: len(short) // 2], short[len(short) // 2 :]]
    elif place == "wrong VR":
        ds.add(DataElement(0x00181210, "LO", short))
        ds.add(DataElement(0x00201040, "UN", text.encode("utf-8")))
    elif place == "binary":
        digits = "".join(c for c in text if c.isdecimal() and c.isascii())[:9]
        ds.SimpleFrameList, ds.TimeRange = int(digits or "1"), [float(digits or "1"), 0.0]
    elif place == "functional group":
        frame = item(FrameType=["ORIGINAL", coded], FrameComments=text, PulseSequenceName=short[:16])
        ds.PerFrameFunctionalGroupsSequence = Sequence([item(MRImageFrameTypeSequence=Sequence([frame]))])
    elif place == "frame text":
        frame = item(StackID=short[:16], FrameLabel=short, FrameAcquisitionDateTime="20190704101112")
        ds.PerFrameFunctionalGroupsSequence = Sequence([item(FrameContentSequence=Sequence([frame]))])
    elif place == "mojibake":
        ds.Manufacturer = "".join(c for c in text.encode("utf-8").decode("latin-1") if ord(c) >= 32)[:64]
    elif place in ("ContentLabel", "BodyPartExamined"):
        setattr(ds, place, coded)
    elif place == "behind pixels":
        raw = text.encode("utf-8")
        ds.PixelData = ds.PixelData + raw + b"\0" * (len(raw) % 2)
    elif place == "undeclared":
        ds.add(DataElement(0x00204000, "UN", text.encode("shift_jis", "replace")))
    elif place in ("ImageType", "ScanOptions"):
        setattr(ds, place, ["ORIGINAL", "PRIMARY", coded])
    elif place == "KVP":
        ds.add(DataElement(0x00180060, "SH", short))
    else:
        setattr(ds, place, short)
    return name


@given(
    person=people(),
    places=st.lists(st.sampled_from(PLACES), min_size=1, max_size=6, unique=True),
    which=st.sampled_from(
        [
            "name",
            "family",
            "reversed",
            "number",
            "accession",
            "birth",
            "study",
            "phone",
            "uid",
            "street",
            "login",
            "squeezed",
            "digits",
            "capitals",
        ]
    ),
    sentence=st.sampled_from(["{}", "Spine of {} with contrast", "CT {}", "x{}y", "Tel. {}.", "Th12/{}/L1"]),
    options=st.sampled_from([{}, {"retain": frozenset({"patient", "device", "safe-private"})}, {"dates": "remove"}]),
)
@example(
    person={
        "charset": "\\ISO 2022 IR 87", "name": NAMES["\\ISO 2022 IR 87"][0], "number": "HX4471990",
        "accession": "ACC77412", "birth": date(1951, 2, 3), "study": date(2019, 7, 4), "phone": "+49 89 5556667",
        "street": "Zwirnerweg 101", "institution": "Klinikum Zqabcdhausen", "uid": "1.2.826.0.99.123456789",
    },
    places=list(PLACES), which="name", sentence="{}", options={},
)  # fmt: skip
@example(
    person={
        "charset": "", "name": "Vandermolen^Ottilie", "number": "HX1000000", "accession": "ACC100000",
        "birth": date(2000, 1, 1), "study": date(2012, 1, 1), "phone": "+49 89 1000000", "street": "Zwirnerweg 100",
        "institution": "Klinikum Zqaaaahausen", "uid": "1.2.826.0.99.100000000",
    },
    places=["SeriesDescription", "StudyDescription", "DS"], which="study", sentence="Th12/{}/L1", options={},
)  # fmt: skip
@example(
    person={
        "charset": "", "name": "Vandermolen^Ottilie", "number": "HX1000000", "accession": "ACC100000",
        "birth": date(2000, 1, 1), "study": date(2012, 1, 1), "phone": "+49 89 1000000", "street": "Zwirnerweg 100",
        "institution": "Klinikum Zqaaaahausen", "uid": "1.2.826.0.99.100000000",
    },
    places=["SeriesDescription", "StationName"], which="uid", sentence="{}", options={"retain": frozenset({"device"})},
)  # fmt: skip
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_identifying_string_occurs_in_the_output(
    person: dict[str, Any], places: list[str], which: str, sentence: str, options: dict[str, Any]
) -> None:
    text = sentence.format(planted(person, which))
    folder = Path(tempfile.mkdtemp())
    try:
        source = written(folder / "in", person, places, text)
        try:
            outcome = deidentify(source, folder / "out", KEY, Profile(**options))
        except InputError:
            assert not (folder / "out").exists() or not any((folder / "out").iterdir())
            return
        assert len(outcome.written) == 1
        data = all_bytes(folder / "out")
        for secret in secrets_of(person):
            assert not holds(data, secret), secret
    finally:
        shutil.rmtree(folder)


def written(folder: Path, person: dict[str, Any], places: list[str], text: str) -> Path:
    """A folder with one object that holds the text at all places; many of them break its VR, as real files do."""
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ds = of_person(person)
        names = [put(ds, place, text) for place in places]
        ds.save_as(
            folder / next((name for name in names if name != "image.dcm"), "image.dcm"), enforce_file_format=True
        )
    return folder


def of_person(person: dict[str, Any]) -> FileDataset:
    return ct(
        SpecificCharacterSet=person["charset"].split("\\"), PatientName=person["name"], PatientID=person["number"],
        AccessionNumber=person["accession"], PatientBirthDate=f"{person['birth']:%Y%m%d}",
        StudyDate=f"{person['study']:%Y%m%d}", PatientTelephoneNumbers=person["phone"], PatientAddress=person["street"],
        InstitutionName=person["institution"], FrameOfReferenceUID=person["uid"],
    )  # fmt: skip


def planted(person: dict[str, Any], which: str) -> str:
    family, _, given_name = person["name"].split("=")[0].partition("^")
    return {
        "family": family,
        "reversed": f"{given_name} {family}",
        "birth": f"{person['birth']:%d.%m.%Y}",
        "study": f"{person['study']:%Y-%m-%d}",
        "login": given_name[:1].lower() + family.lower(),
        "squeezed": "".join(letter for letter in family + given_name if letter.isalnum()),
        "digits": "".join(letter for letter in person["number"] if letter.isdecimal()).lstrip("0") or "0",
        "capitals": f"CT{given_name}{family.upper()}",
    }.get(which) or str(person[which])


def secrets_of(person: dict[str, Any]) -> list[str]:
    """What must not occur: names with their parts, numbers, dates in several notations, addresses, UIDs."""
    parts = [part for group in person["name"].split("=") for part in [group, *group.split("^")]]
    dates = [
        f"{day:{form}}" for day in (person["birth"], person["study"]) for form in ("%Y%m%d", "%Y-%m-%d", "%d.%m.%Y")
    ]
    digits = "".join(letter for letter in person["number"] if letter.isdecimal()).lstrip("0")
    parts += [digits] if len(digits) >= 7 else []
    rest = [person[key] for key in ("number", "accession", "phone", "street", "institution", "uid")]
    return [text for text in parts + dates + rest if len(text) >= 3 or (len(text) == 2 and not text.isascii())]
