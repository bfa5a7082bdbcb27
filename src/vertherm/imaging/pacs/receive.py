"""What an archive sends, written to a folder under names made of checked UIDs only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from vertherm.core.errors import InputError
from vertherm.imaging.pacs.archive import InstanceRow, Limits
from vertherm.imaging.pacs.errors import ArchiveError
from vertherm.imaging.pacs.instance import Instance, read_instance


class Receiver:
    """Takes the instances of one series one by one; refuses what was not asked for and what is too much.

    Args:
        folder: where the files go; must exist.
        study_uid: the study asked for.
        series_uid: the series asked for.
        limits: how much may come.
        wanted: the instances asked for; empty: all of the series.
    """

    def __init__(
        self, folder: Path, study_uid: str, series_uid: str, limits: Limits, wanted: Sequence[InstanceRow] = ()
    ) -> None:
        self.folder, self.limits = folder, limits
        self._asked = (study_uid, series_uid)
        self._wanted = {row.sop_uid for row in wanted}
        self._files: dict[str, Path] = {}
        self._bytes = self._count = 0
        self._end = time.monotonic() + limits.total_s
        self._part = folder / "incoming.part"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files kept so far."""
        return tuple(self._files.values())

    def opened(self) -> BinaryIO:
        """A new stream for the next instance; one at a time."""
        return self._part.open("wb")

    def keep(self, stream: BinaryIO) -> Path:
        """Check what was written to ``stream`` and give it its name.

        Raises:
            ArchiveError: no DICOM file, another study or series, an instance not asked for or sent twice, too much.
        """
        stream.close()
        instance = self._read()
        if (instance.study_uid, instance.series_uid) != self._asked:
            raise ArchiveError(
                "The archive sent an instance of another series.",
                got=f"{instance.study_uid} / {instance.series_uid}", expected=" / ".join(self._asked),
            )  # fmt: skip
        if instance.sop_uid in self._files or (self._wanted and instance.sop_uid not in self._wanted):
            what = "twice" if instance.sop_uid in self._files else "without being asked for it"
            raise ArchiveError(f"The archive sent an instance {what}.", got=instance.sop_uid)
        self._bytes += instance.size
        self._count += 1
        self.within_limits()
        path = self.folder / f"{instance.sop_uid}.dcm"
        self._part.rename(path)
        self._files[instance.sop_uid] = path
        return path

    def within_limits(self) -> None:
        """Refuse more than the limits allow.

        Raises:
            ArchiveError: too many bytes, instances or seconds.
        """
        limits = self.limits
        for got, most, unit, name in (
            (self._bytes, limits.series_bytes, "bytes", "max_series_mb"),
            (self._count, limits.instances, "instances", "max_instances"),
            (limits.total_s - (self._end - time.monotonic()), limits.total_s, "s", "total_s"),
        ):
            if got > most:
                raise ArchiveError(
                    "The series is larger, or takes longer, than allowed.", got=f"{got:.0f} {unit}",
                    expected=f"at most {most:.0f} {unit}",
                    advice=f"raise {name} of this archive if that is right",
                )  # fmt: skip

    def _read(self) -> Instance:
        try:
            return read_instance(self._part)
        except InputError as error:
            raise ArchiveError(
                "The archive sent something that is no readable DICOM file.", got=error.what,
                advice="an archive keeps files without a DICOM header as they were stored: store the series again",
            ) from error  # fmt: skip
