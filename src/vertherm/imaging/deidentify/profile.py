"""What is asked for: the basic profile of PS3.15 with its options, and which kinds of objects are accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vertherm.core.errors import InputError
from vertherm.imaging.deidentify.tables import Row

Dates = Literal["shift", "remove", "keep"]
DATES: tuple[Dates, ...] = ("shift", "remove", "keep")
RETAIN = ("patient", "device", "institution", "uids", "safe-private")
ACCEPT = ("burnt-in", "documents", "free-text")
TIMES = ("DA", "DT", "TM")

CODES = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "graphics": ("113103", "Clean Graphics Option"),
    "structured": ("113104", "Clean Structured Content Option"),
    "descriptors": ("113105", "Clean Descriptors Option"),
    "dates_full": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "dates_modified": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "uids": ("113110", "Retain UIDs Option"),
    "safe_private": ("113111", "Retain Safe Private Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
}
"""Code and meaning of each option in coding scheme DCM (PS3.16 CID 7050)."""


@dataclass(frozen=True)
class Profile:
    """The basic profile with options.

    Args:
        dates: ``shift`` moves all dates of a patient back by one keyed number of days and leaves times, ``remove``
            follows the basic profile, ``keep`` leaves dates and times. A date of birth never stays.
        retain: options that retain: ``patient`` (sex, age, size, weight), ``device``, ``institution``, ``uids``,
            ``safe-private``.
        descriptors: clean descriptors instead of removing them.
        structured: clean structured content; without it a structured report is refused.
        graphics: clean graphic annotations instead of removing them; overlay bitmaps always go.
        accept: kinds that are refused unless named here: ``burnt-in``, ``documents``, ``free-text``.

    Raises:
        InputError: an unknown word.
    """

    dates: Dates = "shift"
    retain: frozenset[str] = frozenset()
    descriptors: bool = True
    structured: bool = True
    graphics: bool = False
    accept: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _known("way to treat dates", {self.dates}, DATES)
        _known("option that retains", self.retain, RETAIN)
        _known("kind to accept", self.accept, ACCEPT)

    @property
    def options(self) -> frozenset[str]:
        """Columns of Table E.1-1 that apply."""
        wanted = {name.replace("-", "_") for name in self.retain}
        wanted |= {"shift": {"dates_modified"}, "keep": {"dates_full"}, "remove": set()}[self.dates]
        wanted |= {name for name in ("descriptors", "structured", "graphics") if getattr(self, name)}
        return frozenset(wanted)

    def action(self, row: Row) -> tuple[str, str]:
        """Action of an option, "" where none applies, and that of the basic profile to fall back on."""
        options = self.options
        if row.tag.startswith(("50xx", "60xx")):
            # Nobody can clean a bitmap or a curve, and the rest of its group is useless without it.
            return "", row.basic
        if "dates_full" in row.options:
            # Where a date is also part of a device's identity, the choice about dates rules.
            relevant: list[str] = [name for name in ("dates_full", "dates_modified") if name in options]
        else:
            relevant = [name for name in row.options if name in options and name != "safe_private"]
        wishes = {row.options[name] for name in relevant}
        return ("K" if "K" in wishes else "C" if "C" in wishes else ""), row.basic

    def codes(self) -> list[tuple[str, str]]:
        """Codes and meanings for DeidentificationMethodCodeSequence."""
        return [CODES["basic"], *(CODES[name] for name in CODES if name in self.options)]


def _known(what: str, given: set[str] | frozenset[str] | set[Dates], known: tuple[str, ...]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InputError(f"There is no such {what}.", got=", ".join(unknown), expected=", ".join(known))
