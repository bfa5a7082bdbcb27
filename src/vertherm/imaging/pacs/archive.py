"""What an archive can do, whatever protocol it speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vertherm.imaging.pacs.instance import Instance
from vertherm.imaging.pacs.settings import Common


@dataclass(frozen=True)
class StudyQuery:
    """Which studies to find; empty fields match all. ``*`` and ``?`` are wildcards in name and number.

    Args:
        patient_name: as in DICOM, ``FAMILY^GIVEN``.
        patient_id: number of the patient.
        study_uid: StudyInstanceUID.
        accession: accession number.
        modality: for example ``CT``.
        date: ``YYYYMMDD`` or a range ``YYYYMMDD-YYYYMMDD``.
    """

    patient_name: str = ""
    patient_id: str = ""
    study_uid: str = ""
    accession: str = ""
    modality: str = ""
    date: str = ""

    def elements(self) -> dict[str, str]:
        """DICOM keyword to value, of the given fields only."""
        named = {
            "PatientName": self.patient_name,
            "PatientID": self.patient_id,
            "StudyInstanceUID": self.study_uid,
            "AccessionNumber": self.accession,
            "ModalitiesInStudy": self.modality,
            "StudyDate": self.date,
        }
        return {keyword: value for keyword, value in named.items() if value}


@dataclass(frozen=True)
class StudyRow:
    """One study that an archive holds; what it does not say is empty."""

    study_uid: str
    patient_name: str
    patient_id: str
    date: str
    description: str
    accession: str
    modalities: tuple[str, ...]


@dataclass(frozen=True)
class SeriesRow:
    """One series that an archive holds; ``instances`` is None where it does not say."""

    study_uid: str
    series_uid: str
    modality: str
    number: str
    description: str
    instances: int | None


@dataclass(frozen=True)
class InstanceRow:
    """One instance that an archive holds."""

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str


@dataclass(frozen=True)
class Limits:
    """How much a retrieval may bring, in bytes, instances and seconds."""

    instance_bytes: int
    series_bytes: int
    instances: int
    total_s: float


# Called for each instance with its SOPInstanceUID and the reason why it was not stored ("" where it was).
Stored = Callable[[str, str], None]


class Archive(Protocol):
    """An archive: query, retrieve, store. Every method raises ArchiveError, TransientError where it may pass."""

    @property
    def settings(self) -> Common:
        """What the user set for it."""

    def echo(self) -> str:
        """Ask whether it answers; returns one sentence about it."""

    def find_studies(self, query: StudyQuery) -> tuple[StudyRow, ...]:
        """Studies that match."""

    def find_series(self, study_uid: str) -> tuple[SeriesRow, ...]:
        """Series of a study."""

    def find_instances(self, study_uid: str, series_uid: str) -> tuple[InstanceRow, ...]:
        """Instances of a series."""

    def held(self, instances: Sequence[Instance]) -> dict[str, InstanceRow]:
        """Those of ``instances`` that it holds, by SOPInstanceUID."""

    def retrieve(
        self, study_uid: str, series_uid: str, folder: Path, limits: Limits, wanted: Sequence[InstanceRow] = ()
    ) -> tuple[Path, ...]:
        """A series, or of it the instances ``wanted``, as files ``<SOPInstanceUID>.dcm`` of ``folder``."""

    def store(self, instances: Sequence[Instance], stored: Stored) -> None:
        """Send instances; says of each through ``stored`` what became of it, as soon as it is known."""

    def close(self) -> None:
        """Give its connections back."""


def retrieve_series(archive: Archive, study_uid: str, series_uid: str, folder: Path) -> tuple[Path, ...]:
    """One attempt to bring a whole series into ``folder``, within the archive's limits; see `transfer.fetch`."""
    return archive.retrieve(study_uid, series_uid, folder, limits_of(archive.settings))


def limits_of(settings: Common) -> Limits:
    """The limits that the settings of an archive state."""
    return Limits(
        settings.max_instance_mb << 20, settings.max_series_mb << 20, settings.max_instances, settings.total_s
    )
