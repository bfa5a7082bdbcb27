"""What a de-identified object says about itself (PS3.3 C.7.1.1, C.7.6.1; PS3.15 E.1.1)."""

from __future__ import annotations

from typing import Any

from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.tables import EDITION

METHOD = f"Vertherm: PS3.15 {EDITION} Basic Profile with options"
_ACCEPTED = {
    "burnt-in": "Accepted: pixels not checked for burnt-in text",
    "documents": "Accepted: encapsulated document not cleaned",
    "free-text": "Accepted: free text of report cleaned by word list",
}
_TIME = {"shift": "MODIFIED", "keep": "UNMODIFIED", "remove": "REMOVED"}


def mark(dataset: Any, profile: Profile, pseudonym: str, accepted: set[str], *, before: str = "") -> list[str]:
    """Write the marks of de-identification, and the pseudonym where no element held it.

    Args:
        dataset: the cleaned object.
        profile: what was asked for.
        pseudonym: of the patient.
        accepted: kinds that the object is of and that were accepted.
        before: LongitudinalTemporalInformationModified of the input: dates that were moved before are not original now.

    Returns:
        The texts written, which are no trace of the input.
    """
    from pydicom.dataset import Dataset

    dataset.PatientName = dataset.PatientID = pseudonym
    dataset.PatientIdentityRemoved = "YES"
    method = [METHOD, *(_ACCEPTED[word] for word in sorted(accepted))]
    dataset.DeidentificationMethod = method if len(method) > 1 else method[0]
    items = []
    for value, meaning in profile.codes():
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        items.append(item)
    dataset.DeidentificationMethodCodeSequence = items
    times = (
        before if before == "REMOVED" or (before == "MODIFIED" and profile.dates == "keep") else _TIME[profile.dates]
    )
    dataset.LongitudinalTemporalInformationModified = times
    written = [text for item in items for text in (item.CodeValue, item.CodeMeaning)]
    return [*method, *written, pseudonym, "YES", "DCM", times]


def set_characters(dataset: Any) -> None:
    """Name the character set: UTF-8 where anything needs more than ASCII, else none."""
    if any(not _ascii(element.value) for element in dataset.iterall() if element.VR in _TEXTUAL):
        dataset.SpecificCharacterSet = "ISO_IR 192"


_TEXTUAL = ("LO", "LT", "PN", "SH", "ST", "UC", "UT")


def _ascii(value: Any) -> bool:
    return str(value).isascii()


def file_meta(dataset: Any, syntax: str) -> Any:
    """New file meta information: nothing of the old one but the transfer syntax."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID

    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = "VERTHERM"
    return meta
