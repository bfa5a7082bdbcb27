"""What every written object says of itself: who made it, that it is for research, SYNTHETIC where so, stable UIDs."""

from __future__ import annotations

import functools
import hashlib
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from vertherm import __version__

MANUFACTURER = "Vertherm"
SCHEME = "99VERTHERM"
SERIAL = "none"
_SPACE = uuid.UUID("6c1a3c5e-8a51-5f0b-9d0e-2f5f3a7c1b42")
_FOREIGN_ROOT = "1.2.826.0.1.3680043."
"""Random UIDs of the libraries begin so; they are replaced by ours, so that a second run gives the same object."""


Writer = TypeVar("Writer", bound=Callable[..., Any])


def quietly(writer: Writer) -> Writer:
    """A writer without the libraries' remarks on the source's patient names and dates: not ours to put right."""

    @functools.wraps(writer)
    def wrapped(*given: Any, **named: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return writer(*given, **named)

    return wrapped  # type: ignore[return-value]


@dataclass(frozen=True)
class Marks:
    """Marks of one set of results.

    Args:
        title: of the plan or the follow-up.
        created: when the results were computed; every date in the objects is this one.
        synthetic: a lesion or the patient was made by a program.
        unverified: names of values that no source confirms.
        seed: what the results are (a hash); UIDs follow from it.
    """

    title: str
    created: datetime
    synthetic: bool
    seed: str
    unverified: tuple[str, ...] = ()

    def description(self, what: str, most: int = 64) -> str:
        """Series description or label: SYNTHETIC first, so that nothing cuts it off."""
        text = f"{'SYNTHETIC ' if self.synthetic else ''}RESEARCH {what}"
        return text[:most]

    def words(self) -> str:
        """For long texts."""
        parts = ["Research only, not for treatment."]
        if self.synthetic:
            parts.insert(0, "SYNTHETIC: a lesion or the patient was made by a program.")
        if self.unverified:
            parts.append(f"Unverified values: {', '.join(self.unverified)}.")
        return " ".join(parts)

    def uid(self, *what: str) -> str:
        """A UID that follows from the results and what it is for."""
        return f"2.25.{uuid.uuid5(_SPACE, '|'.join((self.seed, *what))).int}"


def equipment() -> dict[str, Any]:
    """Keyword arguments of highdicom's objects."""
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": "Vertherm",
        "software_versions": __version__,
        "device_serial_number": SERIAL,
    }


def content_seed(*parts: bytes | str) -> str:
    """SHA-256 of what an object is made of."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()


def finished(dataset: Any, marks: Marks, what: str, source_uids: frozenset[str]) -> Any:
    """Make an object reproducible and marked: dates, random UIDs, description, preamble.

    Args:
        dataset: pydicom data set as a library made it.
        marks: of the results.
        what: the object's kind and name; two objects of one set need different ones.
        source_uids: of the source, whoever made them: references must hold.
    """
    day, hour = marks.created.strftime("%Y%m%d"), marks.created.strftime("%H%M%S")
    for keyword in ("Content", "Series", "InstanceCreation", "StructureSet"):
        if f"{keyword}Date" in dataset:
            setattr(dataset, f"{keyword}Date", day)
        if f"{keyword}Time" in dataset:
            setattr(dataset, f"{keyword}Time", hour)
    _settle(dataset, marks, what, {uid: uid for uid in source_uids})
    if dataset.Modality in ("OT", "CT", "MR") and "Laterality" not in dataset:
        dataset.Laterality = ""
    dataset.SeriesDescription = marks.description(what)
    dataset.preamble = b"\0" * 128
    return dataset


def _settle(dataset: Any, marks: Marks, what: str, known: dict[str, str]) -> None:
    """Replace the libraries' random UIDs and present times, at every depth."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _settle(item, marks, what, known)
        elif element.VR == "UI" and str(element.value).startswith(_FOREIGN_ROOT):
            value = str(element.value)
            if known.get(value) != value:
                element.value = known.setdefault(value, marks.uid(what, f"part {len(known)}"))
        elif element.VR == "DT" and element.value:
            element.value = marks.created.strftime("%Y%m%d%H%M%S")
