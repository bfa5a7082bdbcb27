"""How people spell one name: with or without accents, strokes, apostrophes, capitals, or in a wrong character set."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_STROKES = str.maketrans({"ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ø": "o", "æ": "ae", "œ": "oe"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"})
_TWO_LETTERS = re.compile(r"([aou])e|(a)a")
_TOKEN = re.compile(r"[^\W_]+")
_RUN = re.compile(r"[^\W\d_]+|\d+")
_NAME = re.compile(r"[^\W\d_]+")


def fold(text: str) -> str:
    """Text without accents, strokes, vowel signs, invisible signs, width and case, so that one name has one form."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_STROKES))
    return "".join(letter for letter in plain if unicodedata.category(letter) not in ("Mn", "Mc", "Me", "Cf"))


def squeeze(text: str) -> str:
    """Folded text with letters and digits only."""
    return "".join(letter for letter in fold(text) if letter.isalnum())


def umlauts(text: str) -> set[str]:
    """A text as it is, and with ä as ae and the like."""
    return {text, unicodedata.normalize("NFC", text.casefold()).translate(_UMLAUTS)}


def name_parts(text: str) -> set[str]:
    """The folded words of a name; a word with ae for ä also without the e."""
    words = {word for spelled in umlauts(text) for word in _NAME.findall(fold(spelled))}
    return words | {_TWO_LETTERS.sub(r"\1\2", word) for word in words}


def tokens(text: str) -> list[str]:
    """Folded words and numbers of a text, in order."""
    return _TOKEN.findall(fold(text))


def runs(text: str) -> Iterator[str]:
    """Folded words of a text: as they stand, parted at digits, and parted at capitals (``CTMiller``, ``MillerCT``)."""
    for spelled in {text, _parted(text)}:
        for token in tokens(spelled):
            yield token
            yield from _RUN.findall(token)


def repaired(text: str) -> set[str]:
    """A text, and what it says where bytes of UTF-8 were read as Latin-1."""
    try:
        return {text, text.encode("latin-1").decode("utf-8")}
    except UnicodeError:
        return {text}


def _parted(text: str) -> str:
    made = []
    for place, letter in enumerate(text):
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        if letter.isupper() and (before.islower() or (before.isupper() and after.islower())):
            made.append(" ")
        made.append(letter)
    return "".join(made)
