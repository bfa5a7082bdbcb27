"""From settings to an archive."""

from __future__ import annotations

from vertherm.imaging.pacs.archive import Archive
from vertherm.imaging.pacs.retry import Retry
from vertherm.imaging.pacs.settings import Common, Dicomweb, Dimse


def connect(settings: Dicomweb | Dimse) -> Archive:
    """The archive of these settings; nothing is sent yet. Close it when done.

    Raises:
        InputError: a secret that is not there.
        ArchiveError: certificates that cannot be read.
    """
    if isinstance(settings, Dimse):
        from vertherm.imaging.pacs.dimse import DimseArchive

        return DimseArchive(settings)
    from vertherm.imaging.pacs.dicomweb import DicomwebArchive

    return DicomwebArchive(settings)


def retry_of(settings: Common) -> Retry:
    """The repeats that the settings of an archive allow."""
    return Retry(settings.attempts, settings.pause_s, settings.longest_pause_s)
