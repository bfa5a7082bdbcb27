"""Objects of a patient who does not exist, with everything that identifies, and ways to look for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.run import Outcome, deidentify

KEY = bytes(range(32))
CT = "1.2.840.10008.5.1.4.1.1.2"
ENCODINGS = ("utf-8", "latin-1", "shift_jis", "iso2022_jp", "euc_kr", "gb18030", "utf-16-le", "iso8859_5", "iso8859_7")
_OWN = re.compile(rb"2\.25\.\d+|p[0-9a-f]{20}|19000101(?:000000)?")


def ct(**elements: Any) -> FileDataset:
    """A small CT slice of a made-up patient; ``None`` leaves an element out."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CT, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = CT, meta.MediaStorageSOPInstanceUID
    given: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "Modality": "CT",
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "StudyDate": "20190704",
        "StudyTime": "101112",
        "AccessionNumber": "ACC7741209",
        "ReferringPhysicianName": "Quillington^Barnaby",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "Model 5",
        "InstitutionName": "Hospital of Nowhere Valley",
        "PatientName": "Vandermolen^Ottilie",
        "PatientID": "HX-4471-99",
        "PatientBirthDate": "19510203",
        "PatientSex": "F",
        "PatientAge": "068Y",
        "PatientSize": "1.71",
        "PatientWeight": "66",
        "StudyID": "77",
        "SeriesNumber": 3,
        "InstanceNumber": 1,
        "PositionReferenceIndicator": "",
        "ImagePositionPatient": ["0", "0", "12.5"],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        "PixelSpacing": ["0.5", "0.5"],
        "SliceThickness": "1.25",
        "KVP": "120",
        "AcquisitionNumber": 1,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 4,
        "Columns": 5,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
        "PixelData": np.arange(20, dtype="<i2").tobytes(),
    }
    for name, value in {**given, **elements}.items():
        if value is not None:
            setattr(ds, name, value)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    return ds


def item(**elements: Any) -> Dataset:
    """An item of a sequence."""
    made = Dataset()
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def code(value: str, scheme: str, meaning: str) -> Sequence:
    """A sequence with one coded entry."""
    return Sequence([item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)])


def save(folder: Path, *objects: FileDataset) -> Path:
    """Write objects into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, ds in enumerate(objects):
        ds.save_as(folder / f"im{number:03d}.dcm", enforce_file_format=True)
    return folder


def done(tmp_path: Path, *objects: FileDataset, key: bytes = KEY, **options: Any) -> tuple[list[Any], Outcome]:
    """De-identify objects; what was written, in the order given, and the outcome."""
    number = len(list(tmp_path.iterdir()))
    source = save(tmp_path / f"in{number}", *objects)
    outcome = deidentify(source, tmp_path / f"out{number}", key, Profile(**options))
    return [pydicom.dcmread(path) for _, path in sorted(outcome.written.items())], outcome


def holds(data: bytes, text: str) -> bool:
    """True where bytes hold a text in any encoding and case, what the program writes itself left out."""
    plain = _OWN.sub(b"", data)
    forms = {text, text.upper(), text.lower(), text.title()}
    for form in forms:
        for name in ENCODINGS:
            try:
                raw = form.encode(name)
            except UnicodeEncodeError:
                continue
            if raw and raw in plain:
                return True
    return False


def all_bytes(folder: Path) -> bytes:
    """Bytes of all files below a folder, and their names."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return b"\n".join([*(path.read_bytes() for path in paths), *(str(p.relative_to(folder)).encode() for p in paths)])
