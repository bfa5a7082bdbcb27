"""Rows from the data sets that an archive answers."""

from __future__ import annotations

import re
from typing import Any

from vertherm.imaging.pacs.archive import InstanceRow, SeriesRow, StudyRow
from vertherm.imaging.pacs.uids import need_answered_uids, text_of


def row_of(dataset: Any, study_uid: str = "", series_uid: str = "") -> InstanceRow:
    """An instance from a pydicom data set that an archive answered; UIDs it leaves out are those asked for.

    Raises:
        ArchiveError: no UID, or one that is none.
    """
    row = InstanceRow(
        text_of(dataset, "StudyInstanceUID") or study_uid,
        text_of(dataset, "SeriesInstanceUID") or series_uid,
        text_of(dataset, "SOPInstanceUID"),
        text_of(dataset, "SOPClassUID"),
    )
    need_answered_uids(row.study_uid, row.series_uid, row.sop_uid)
    return row


def study_of(dataset: Any) -> StudyRow:
    """A study from a pydicom data set that an archive answered."""
    row = StudyRow(
        text_of(dataset, "StudyInstanceUID"),
        text_of(dataset, "PatientName"),
        text_of(dataset, "PatientID"),
        text_of(dataset, "StudyDate"),
        text_of(dataset, "StudyDescription"),
        text_of(dataset, "AccessionNumber"),
        tuple(item for item in re.split(r"[\\\[\]', ]+", text_of(dataset, "ModalitiesInStudy")) if item),
    )
    need_answered_uids(row.study_uid)
    return row


def series_of(dataset: Any, study_uid: str) -> SeriesRow:
    """A series from a pydicom data set that an archive answered."""
    count = text_of(dataset, "NumberOfSeriesRelatedInstances")
    row = SeriesRow(
        text_of(dataset, "StudyInstanceUID") or study_uid,
        text_of(dataset, "SeriesInstanceUID"),
        text_of(dataset, "Modality"),
        text_of(dataset, "SeriesNumber"),
        text_of(dataset, "SeriesDescription"),
        int(count) if count.isascii() and count.isdigit() else None,
    )
    need_answered_uids(row.study_uid, row.series_uid)
    return row
