"""One file's header with accessors that check what they return: a hostile or broken file states anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vertherm.core.errors import InputError
from vertherm.geometry.volume import FloatArray
from vertherm.imaging.dicom.safe import reading

SEGMENTATION = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED = {
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
}
"""Enhanced and legacy converted enhanced multi-frame storage classes."""


@dataclass(frozen=True, eq=False)
class Header:
    """One file's header, without its pixels, or one item of its sequences.

    Args:
        path: the file.
        data: pydicom data set.
        where: name of the file for messages; the path if left out.
    """

    path: Path
    data: Any
    where: str = field(default="")

    def __post_init__(self) -> None:
        if not self.where:
            object.__setattr__(self, "where", str(self.path))

    def get(self, keyword: str, default: Any = None) -> Any:
        """Value of an element, ``default`` where it is absent or empty.

        Raises:
            InputError: the element cannot be read as what it says it is.
        """
        with reading(self.where):
            value = self.data.get(keyword)
        return default if value is None or value == "" else value

    def text(self, keyword: str) -> str:
        """Value as one line of text, "" where absent."""
        value = self.get(keyword, "")
        parts = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
        return " ".join("\\".join(str(part) for part in parts).split())

    def uid(self, keyword: str) -> str:
        """Value as UID, "" where absent."""
        return self.text(keyword).strip("\0 ")

    def numbers(self, keyword: str, count: int) -> FloatArray | None:
        """Value as ``count`` finite numbers, None where absent.

        Raises:
            InputError: another number of values, or no numbers.
        """
        value = self.get(keyword)
        if value is None:
            return None
        with reading(self.where):
            array = np.atleast_1d(np.asarray(value, float))
        if array.shape != (count,) or not np.isfinite(array).all():
            raise InputError(
                f"{keyword} of a DICOM file is unusable.",
                where=self.where,
                got=str(value)[:100],
                expected=f"{count} finite number(s)",
                advice="export the series again",
            )
        return array

    def number(self, keyword: str) -> float | None:
        """Value as one finite number, None where absent."""
        found = self.numbers(keyword, 1)
        return None if found is None else float(found[0])

    def items(self, keyword: str) -> tuple[Header, ...]:
        """Items of a sequence, each with this interface."""
        value = self.get(keyword, ())
        with reading(self.where):
            return tuple(Header(self.path, item, self.where) for item in value)

    @property
    def sop_class(self) -> str:
        """SOPClassUID."""
        return self.uid("SOPClassUID")

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID."""
        return self.uid("SeriesInstanceUID")

    @property
    def syntax(self) -> str:
        """Transfer syntax UID, "" where the file has no meta information."""
        meta = getattr(self.data, "file_meta", None)
        with reading(self.where):
            return str((meta.get("TransferSyntaxUID") if meta is not None else None) or "")

    @property
    def class_name(self) -> str:
        """Name of the SOP class, its UID where the name is unknown."""
        return str(getattr(self.data.get("SOPClassUID"), "name", self.sop_class)) or "no SOP class"
