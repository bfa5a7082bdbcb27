"""A new instance in the source's study, for objects that no library builds."""

from __future__ import annotations

from typing import Any

from vertherm import __version__
from vertherm.imaging.dicom_objects.marks import MANUFACTURER, SERIAL, Marks
from vertherm.imaging.dicom_objects.source import UTF8, SourceSeries

_COPIED = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDescription",
)


def new_instance(
    source: SourceSeries, marks: Marks, what: str, *, sop_class: str, modality: str, series_number: int, content: str
) -> Any:
    """Patient and study of the source, a series and an instance of our own.

    Args:
        source: series whose study the object joins.
        marks: of the results.
        what: name of the object within the set.
        sop_class: UID.
        modality: of the new series.
        series_number: of the new series.
        content: hash of what the object holds.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    new = Dataset()
    for keyword in _COPIED:
        if keyword in source.first:
            new[keyword] = source.first[keyword]
    new.SpecificCharacterSet = UTF8
    new.SOPClassUID = sop_class
    new.SOPInstanceUID = marks.uid(what, content)
    new.SeriesInstanceUID = marks.uid(what, "series")
    new.Modality = modality
    new.SeriesNumber, new.InstanceNumber = series_number, 1
    new.Manufacturer = new.ManufacturerModelName = MANUFACTURER
    new.SoftwareVersions, new.DeviceSerialNumber = __version__, SERIAL
    day, hour = marks.created.strftime("%Y%m%d"), marks.created.strftime("%H%M%S")
    new.SeriesDate = new.InstanceCreationDate = new.ContentDate = day
    new.SeriesTime = new.InstanceCreationTime = new.ContentTime = hour
    new.file_meta = FileMetaDataset()
    new.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    new.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    new.file_meta.MediaStorageSOPInstanceUID = new.SOPInstanceUID
    return new
