"""The identifying strings of an input: collected from its elements, and looked for in whatever would stay."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from vertherm.imaging.deidentify import dates
from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.tables import registered, row_of, standard_words

SHORTEST_NAME, SHORTEST_PHRASE = 3, 6
LONGEST_MEASURE = 7
"""Digits of a whole number that measures something; longer ones number something."""
_TEXTS = ("AE", "LO", "LT", "SH", "ST", "UC", "UR", "UT")
_NAME = re.compile(r"[^\W\d_]+")
_TOKEN = re.compile(r"[^\W_]+")
_UID = re.compile(r"\d+(?:\.\d+){4,}")
_RUN = re.compile(r"[^\W\d_]+|\d+")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"})
_ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "shift_jis", "iso2022_jp", "euc_kr", "gb18030")
_VERSIONS = ("ContextGroupVersion", "ContextGroupLocalVersion", "TemplateVersion", "TemplateLocalVersion")


def fold(text: str) -> str:
    """Text without accents, width and case, so that one name has one form."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def squeeze(text: str) -> str:
    """Folded text with letters and digits only."""
    return "".join(letter for letter in fold(text) if letter.isalnum())


def _short_name(word: str) -> bool:
    # A syllable or an ideograph says as much as several letters.
    return len(word) < (SHORTEST_NAME if word.isascii() else 2 if ord(word[0]) > 0x2E7F else SHORTEST_NAME)


class Identifiers:
    """Identifying strings: names and their parts, numbers, dates, institutions, addresses, telephone numbers.

    Args:
        profile: what its options retain is not identifying.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._words: set[str] = set()
        self._phrases: set[str] = set()
        self._plain: set[str] = set()
        self._memo: dict[str, bool] = {}
        self._seen: set[tuple[str, str]] = set()
        self._forms: set[bytes] | None = None

    def __len__(self) -> int:
        return len(self._words) + len(self._phrases)

    def collect(self, dataset: Any) -> None:
        """Take the identifying strings of a data set, at every depth."""
        for element in elements(dataset):
            values = values_of(element)
            if element.VR == "PN":
                for value in values:
                    self._once("name", value)
            elif element.VR in ("DA", "DT"):
                if self._profile.dates != "keep" or element.keyword.startswith("PatientBirth"):
                    for value in values if element.keyword not in _VERSIONS else ():
                        self._once("date", value)
            elif element.VR in _TEXTS and self._tells(element.tag):
                for value in values:
                    self._once("text", value)

    def _tells(self, tag: int) -> bool:
        row = row_of(int(tag))
        if row is None or row.tag == "private" or "descriptors" in row.options or "dates_full" in row.options:
            return False
        return self._profile.action(row)[0] != "K"

    def _once(self, kind: str, value: str) -> None:
        if value and (kind, value) not in self._seen:
            self._seen.add((kind, value))
            self._memo.clear()
            self._forms = None
            {"name": self.add_name, "date": self._add_date, "text": self.add_text}[kind](value)

    def _add_date(self, value: str) -> None:
        day = dates.parse(value)
        if day is not None:
            self._phrases |= dates.notations(day)

    def add_name(self, name: str) -> None:
        """A person's name, with its parts in all its component groups (PS3.5 6.2.1)."""
        for group in (name, *name.split("=")):
            for spelled in {group, group.casefold().translate(_UMLAUTS)}:
                for part in _NAME.findall(fold(spelled)):
                    self._word(part)
                self._phrase(spelled)
                self._phrase(" ".join(reversed(spelled.split("^")[:2])))

    def add_text(self, text: str) -> None:
        """A number, institution, address or telephone number; its lines and parts also count."""
        for part in {text, *re.split(r"[\r\n,;]", text)}:
            for spelled in {part, part.casefold().translate(_UMLAUTS)}:
                small = squeeze(spelled)
                if len(small) >= SHORTEST_PHRASE:
                    self._phrase(spelled)
                elif len(small) >= SHORTEST_NAME:
                    self._word(small)

    def _word(self, word: str) -> None:
        if not _short_name(word) and word not in standard_words():
            self._words.add(word)
            if len(word) >= SHORTEST_PHRASE or ord(word[0]) > 0x2E7F:
                self._phrases.add(word)

    def _phrase(self, text: str) -> None:
        small = squeeze(text)
        if len(small) >= SHORTEST_PHRASE and small not in standard_words():
            self._phrases.add(small)
            self._plain.add(text.strip())

    def word(self, token: str) -> bool:
        """True where a word is part of a name, or a short number, of the input."""
        return any(run in self._words for run in _runs(fold(token)))

    def inside(self, text: str) -> bool:
        """True where a text holds an identifying string, however it is written."""
        if text not in self._memo:
            small = squeeze(text)
            found = self.word(text) or any(phrase in small for phrase in self._phrases)
            self._memo[text] = found or self._holds_uid(text)
        return self._memo[text]

    def _holds_uid(self, text: str) -> bool:
        """True where a text holds a UID that no standard registers: it leads to one study as a number does."""
        return "uids" not in self._profile.retain and any(not registered(uid) for uid in _UID.findall(text))

    def is_number(self, text: str) -> bool:
        """True where a numeric value is a number or a date of the input, or a long whole number holds one.

        Not where decimals hold one: coordinates would hit by chance, and geometry must stay.
        """
        small = squeeze(text)
        if len(small) < SHORTEST_PHRASE or not small.isdecimal():
            return False
        if small in self._phrases:
            return True
        whole = text.strip().lstrip("+-").isdecimal()
        return whole and len(small) > LONGEST_MEASURE and any(p in small for p in self._phrases if p.isdecimal())

    def in_bytes(self, data: bytes) -> bool:
        """True where a stream holds an identifying string of some length in one of the usual encodings."""
        if self._forms is None:
            texts = self._plain | self._phrases
            cased = {form for text in texts for form in (text, text.upper(), text.lower(), text.title())}
            self._forms = {_encoded(text, name) for text in cased for name in _ENCODINGS} - {b""}
        return any(form in data for form in self._forms)


def _runs(folded: str) -> Iterator[str]:
    for token in _TOKEN.findall(folded):
        yield token
        yield from _RUN.findall(token)


def _encoded(text: str, name: str) -> bytes:
    try:
        made = text.encode(name)
    except UnicodeEncodeError:
        return b""
    return made if len(made) >= SHORTEST_PHRASE else b""


def elements(dataset: Any) -> Iterator[Any]:
    """All elements of a data set at every depth; what cannot be read is left out."""
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # whatever breaks a value: it is removed later, and nothing of it stays
            continue
        yield element
        if element.VR == "SQ":
            for item in element.value or ():
                yield from elements(item)


def values_of(element: Any) -> list[str]:
    """The values of an element as texts."""
    value = element.value
    if value is None:
        return []
    if element.VM > 1 and not isinstance(value, (str, bytes)):
        return [str(part) for part in value]
    return [str(value)]
