"""The identifying strings of an input: collected from its elements, and looked for in whatever would stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from vertherm.imaging.deidentify import dates
from vertherm.imaging.deidentify.finder import Finder
from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.spelling import name_parts, repaired, runs, squeeze, tokens, umlauts
from vertherm.imaging.deidentify.tables import registered, row_of, standard_words, words

SHORTEST_NAME, SHORTEST_PHRASE = 3, 6
LONGEST_MEASURE = 7
"""Digits of a whole number that measures something; longer ones number something."""
SHORTEST_PAIR = 4
"""Letters of a whole short name, such as Wu Li, that is looked for as words that follow each other."""
_TEXTS = ("AE", "LO", "LT", "SH", "ST", "UC", "UR", "UT")
_UID = re.compile(r"\d+(?:\.\d+){4,}")
_DIGITS = re.compile(rf"\d{{{SHORTEST_PHRASE},}}")
_WHOLE = re.compile(r"[+-]?(\d+)(?:\.0*)?")
_LONG_DECIMAL = re.compile(rf"[+-]?(\d{{{LONGEST_MEASURE + 1},}})\.\d*")
_CAUCASUS_AND_EAST = 0x0530
_ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "shift_jis", "iso2022_jp", "euc_kr", "gb18030")
_VERSIONS = ("ContextGroupVersion", "ContextGroupLocalVersion", "TemplateVersion", "TemplateLocalVersion")


def _short_name(word: str) -> bool:
    # A syllable, an ideograph or a consonant of a script that leaves vowels out says as much as several letters.
    return len(word) < (2 if not word.isascii() and ord(word[0]) >= _CAUCASUS_AND_EAST else SHORTEST_NAME)


class Identifiers:
    """Identifying strings: names and their parts, numbers, dates, institutions, addresses, telephone numbers.

    Args:
        profile: what its options retain is not identifying.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._words: set[str] = set()
        self._phrases: set[str] = set()
        self._pairs: set[str] = set()
        self._plain: set[str] = set()
        self._memo: dict[str, bool] = {}
        self._seen: set[tuple[str, str]] = set()
        self._finder: Finder[str] | None = None
        self._forms: Finder[bytes] | None = None

    def __len__(self) -> int:
        return len(self._words) + len(self._phrases)

    def collect(self, dataset: Any) -> None:
        """Take the identifying strings of a data set, at every depth.

        What an attribute means counts as much as the VR that a file gives it: a PatientName written as LO is a name.
        """
        for element in elements(dataset):
            kinds = {element.VR, _meant(element.tag)}
            if "PN" in kinds:
                self._take("name", texts_of(element))
            elif kinds & {"DA", "DT"}:
                if self._profile.dates != "keep" or element.keyword.startswith("PatientBirth"):
                    self._take("date", texts_of(element) if element.keyword not in _VERSIONS else [])
            elif kinds & set(_TEXTS) and self._tells(element.tag):
                self._take("text", texts_of(element))
                self._take("name", [text for text in texts_of(element) if "^" in text])

    def _take(self, kind: str, values: list[str]) -> None:
        for value in values:
            for text in repaired(value):
                self._once(kind, text)

    def _tells(self, tag: int) -> bool:
        row = row_of(int(tag))
        if row is None or row.tag == "private" or "descriptors" in row.options or "dates_full" in row.options:
            return False
        return self._profile.action(row)[0] != "K"

    def _once(self, kind: str, value: str) -> None:
        if value and (kind, value) not in self._seen:
            self._seen.add((kind, value))
            self._memo.clear()
            self._finder = self._forms = None
            {"name": self.add_name, "date": self._add_date, "text": self.add_text}[kind](value)

    def _add_date(self, value: str) -> None:
        day = dates.parse(value)
        if day is not None:
            self._phrases |= dates.notations(day)

    def add_name(self, name: str) -> None:
        """A person's name, with its parts in all its component groups (PS3.5 6.2.1)."""
        for group in (name, *name.split("=")):
            for part in name_parts(group):
                self._word(part)
            for spelled in umlauts(group):
                components = [component for component in spelled.split("^")[:3] if squeeze(component)]
                for component in components:
                    self._word(squeeze(component))
                self._phrase(spelled)
                self._phrase(" ".join(reversed(components[:2])))
                self._login(components)
                self._pair(components)

    def _login(self, components: list[str]) -> None:
        """Names of accounts: the family name with an initial before or behind it."""
        family, initials = squeeze(components[0]) if components else "", [squeeze(part)[0] for part in components[1:]]
        if not _short_name(family or "x"):
            for made in (made for initial in initials for made in (initial + family, family + initial)):
                if made not in words():
                    self._word(made)

    def _pair(self, components: list[str]) -> None:
        parts = [" ".join(tokens(component)) for component in components[:2]]
        if len(parts) == 2 and SHORTEST_PAIR <= len(squeeze("".join(parts))) < SHORTEST_PHRASE:
            self._pairs |= {f" {' '.join(parts)} ", f" {' '.join(reversed(parts))} "}

    def add_text(self, text: str) -> None:
        """A number, institution, address or telephone number; its lines, parts and long numbers also count."""
        for part in {text, *re.split(r"[\r\n,;]", text)}:
            for spelled in umlauts(part):
                small = squeeze(spelled)
                if len(small) >= SHORTEST_PHRASE:
                    self._phrase(spelled)
                elif len(small) >= SHORTEST_NAME:
                    self._word(small)
                for digits in _DIGITS.findall(small):
                    # An integer drops the zeros, and people drop the letters.
                    self._phrase(digits)
                    self._phrase(digits.lstrip("0"))

    def _word(self, word: str) -> None:
        if word and not _short_name(word) and word not in standard_words():
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
        return any(run in self._words for run in runs(token))

    def inside(self, text: str) -> bool:
        """True where a text holds an identifying string, however it is written."""
        if text not in self._memo:
            self._memo[text] = any(self._inside(spelled) for spelled in repaired(text))
        return self._memo[text]

    def _inside(self, text: str) -> bool:
        if self.word(text) or self.across([text]) or self._holds_uid(text):
            return True
        line = f" {' '.join(tokens(text))} "
        return any(pair in line for pair in self._pairs)

    def across(self, texts: list[str]) -> bool:
        """True where texts, put together, hold a name or number of six signs or more that may be split over them."""
        return self._found(squeeze("".join(texts)))

    def _found(self, small: str) -> bool:
        if self._finder is None:
            self._finder = Finder(self._phrases)
        return self._finder.found(small)

    def _holds_uid(self, text: str) -> bool:
        """True where a text holds a UID that no standard registers: it leads to one study as a number does."""
        return "uids" not in self._profile.retain and any(not registered(uid) for uid in _UID.findall(text))

    def is_number(self, text: str) -> bool:
        """True where a numeric value is a number or a date of the input, or a long whole number holds one.

        Not where the digits of a decimal do: -190.704 is a coordinate and not 4 July 2019, and geometry must stay.
        """
        long = _LONG_DECIMAL.fullmatch(text.strip())
        if long and self.is_exactly(long[1]):
            return True
        match = _WHOLE.fullmatch(text.strip())
        if match is None:
            return False
        if self.is_exactly(match[1]):
            return True
        return len(match[1]) > LONGEST_MEASURE and self._found(match[1])

    def is_exactly(self, digits: str) -> bool:
        """True where digits are a number or a date of the input, and nothing less or more."""
        return digits in self._phrases or digits.lstrip("0") in self._phrases

    def in_bytes(self, data: bytes) -> bool:
        """True where a stream holds an identifying string of some length in one of the usual encodings."""
        if self._forms is None:
            texts = self._plain | self._phrases
            cased = {form for text in texts for form in (text, text.upper(), text.lower(), text.title())}
            self._forms = Finder({_encoded(text, name) for text in cased for name in _ENCODINGS} - {b""})
        return self._forms.found(data)


def _encoded(text: str, name: str) -> bytes:
    try:
        made = text.encode(name)
    except UnicodeEncodeError:
        return b""
    return made if len(made) >= SHORTEST_PHRASE else b""


def elements(dataset: Any, *, strict: bool = False) -> Iterator[Any]:
    """All elements of a data set at every depth.

    Args:
        dataset: the data set.
        strict: raise where an element cannot be read, instead of leaving it out.

    Raises:
        Unreadable: only if ``strict``.
    """
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception as error:  # whatever breaks a value: it is removed later, and nothing of it stays
            if strict:
                raise Unreadable(str(tag)) from error
            continue
        yield element
        if element.VR == "SQ":
            for item in element.value or ():
                yield from elements(item, strict=strict)


class Unreadable(Exception):  # noqa: N818 - carries the tag, and becomes a refusal
    """An element that cannot be read."""


def _meant(tag: Any) -> str:
    """VR that the data dictionary gives a tag, "" where it has none."""
    from pydicom.datadict import dictionary_VR

    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return ""


def texts_of(element: Any) -> list[str]:
    """The values of an element as texts, of a stream of bytes too."""
    if isinstance(element.value, bytes):
        raw = element.value.rstrip(b"\0 ")
        try:
            return [raw.decode("utf-8")]
        except UnicodeDecodeError:
            return [raw.decode("latin-1")]
    return values_of(element)


def values_of(element: Any) -> list[str]:
    """The values of an element as texts."""
    value = element.value
    if value is None:
        return []
    if element.VM > 1 and not isinstance(value, (str, bytes)):
        return [str(part) for part in value]
    return [str(value)]
