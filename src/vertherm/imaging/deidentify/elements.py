"""One element: is its value what its VR allows, and what stands in for it."""

from __future__ import annotations

import re
from typing import Any

from vertherm.core.errors import VerthermError

TEXTS = ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
BYTES = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
REMOVED = "REMOVED"
OLDEST_AGE = 89
_NUMBER = {
    "DS": re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"),
    "IS": re.compile(r"[+-]?\d{1,12}"),
    "AS": re.compile(r"\d{3}[DWMY]"),
}
_CODE = re.compile(r"[A-Za-z0-9 _./+\-]{1,16}")
_DUMMIES: dict[str, Any] = {
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "PN": REMOVED,
    "DS": "0",
    "IS": "0",
    "UR": "removed:",
}


def values(element: Any) -> list[Any]:
    """The values of an element, none where it is empty.

    Raises:
        ValueError: the value cannot be read as its VR says.
    """
    value = element.value
    if value is None or (isinstance(value, (str, bytes)) and not value):
        return []
    if element.VR not in BYTES and not isinstance(value, (str, bytes)) and element.VM != 1:
        return list(value)
    return [value]


def matches(vr: str, expected: str) -> bool:
    """True where a VR is the one of the data dictionary, which for some attributes allows several."""
    allowed = set(expected.replace("See Note 2", "OB or OW").split(" or "))
    return vr in allowed or (vr in ("OB", "OW") and bool(allowed & {"OB", "OW"}))


def well_formed(vr: str, value: Any) -> bool:
    """True where one value of DS, IS, AS or CS is what the VR allows."""
    if vr in _NUMBER:
        text = getattr(value, "original_string", None) or str(value)
        return bool(_NUMBER[vr].fullmatch(text.strip()))
    if vr == "CS":
        return not value or bool(_CODE.fullmatch(str(value).strip()))
    return True


def written(value: Any) -> str:
    """A numeric text as it is written in the file."""
    return (getattr(value, "original_string", None) or str(value)).strip()


def dummy(vr: str) -> Any:
    """A value without meaning that satisfies a VR; sequences have none."""
    vr = vr.split(" or ")[0]
    if vr in _DUMMIES:
        return _DUMMIES[vr]
    if vr in TEXTS or vr == "CS":
        return REMOVED
    if vr in BYTES:
        return b"\0" * 8
    return 0


def capped_age(text: str) -> str:
    """An age; above 89 years it becomes 090Y, because the very old are few."""
    years = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
    over = int(text[:3]) * years[text[3]] > OLDEST_AGE
    return f"{OLDEST_AGE + 1:03d}Y" if over else text


def resolve(action: str, kind: str) -> str:
    """One letter out of a compound action, by the type of the attribute (PS3.15 E.1.1).

    Args:
        action: D, Z, X, U or several of them, such as ``X/Z/D``.
        kind: "1" must hold a value, "2" may be empty, "3" may be absent.
    """
    letters = action.replace("*", "").split("/")
    if "U" in letters:
        return "U"
    if letters == ["Z"]:
        # The standard allows a dummy value wherever it says Z.
        return "D" if kind == "1" else "Z"
    if len(letters) == 1:
        return letters[0]
    order = {"1": "DZX", "2": "ZDX", "3": "XZD"}[kind]
    return next(letter for letter in order if letter in letters)


class Refused(VerthermError):  # noqa: N818 - an outcome of an object, not an error of the program
    """An object that is not written.

    Args:
        reason: why, without anything of the object's content.
        tag: the attribute, where one is to blame.
        accept: the word that would accept it, "" where nothing would.
    """

    def __init__(self, reason: str, tag: str = "", accept: str = "") -> None:
        super().__init__(reason, got=tag, advice=f"--accept {accept}" if accept else "")
        self.reason, self.tag, self.accept = reason, tag, accept
