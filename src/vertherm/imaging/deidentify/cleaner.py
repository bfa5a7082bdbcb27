"""The walk through an object: every element at every depth stays, changes or goes as the tables say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from vertherm.imaging.deidentify import codes, dates
from vertherm.imaging.deidentify.descriptors import cleaned
from vertherm.imaging.deidentify.elements import (
    BYTES,
    REMOVED,
    TEXTS,
    Refused,
    capped_age,
    dummy,
    matches,
    resolve,
    values,
    well_formed,
)
from vertherm.imaging.deidentify.identifiers import Identifiers
from vertherm.imaging.deidentify.judging import identifying, split_over
from vertherm.imaging.deidentify.pixels import NEEDED, checked_pixels
from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.pseudonyms import Pseudonyms
from vertherm.imaging.deidentify.tables import PRIVATE, Kept, Row, kept, registered, row_of, safe_private, type_of

_PRESENT = ("GraphicAnnotationSequence",)
"""Sequences that go where a dummy is asked: their module is optional, and a dummy picture would be a lie."""


@dataclass
class Made:
    """What cleaning one object wrote itself: values that are no trace of the input."""

    values: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)


class Cleaner:
    """Cleans the objects of one patient.

    Args:
        profile: what is asked for.
        names: pseudonyms by key.
        identifiers: identifying strings of the whole input.
        pseudonym: of the patient.
        back: how far the patient's dates move back.
    """

    def __init__(
        self, profile: Profile, names: Pseudonyms, identifiers: Identifiers, pseudonym: str, back: timedelta
    ) -> None:
        self._profile, self._names, self._identifiers = profile, names, identifiers
        self._pseudonym = pseudonym
        self._back = back if profile.dates == "shift" else timedelta()

    def clean(self, dataset: Any, iod: str) -> tuple[Any, Made]:
        """The cleaned data set without file meta information, and what was done.

        Raises:
            Refused: pixel data that do not fit their description.
        """
        walk = _Walk(self._profile, self._names, self._identifiers, self._pseudonym, self._back, iod)
        return walk.item(dataset, "", top=dataset), walk.made


class _Walk:
    def __init__(
        self,
        profile: Profile,
        names: Pseudonyms,
        identifiers: Identifiers,
        pseudonym: str,
        back: timedelta,
        iod: str,
    ) -> None:
        self.profile, self.names, self.identifiers = profile, names, identifiers
        self.pseudonym, self.back, self.iod = pseudonym, back, iod
        self.made = Made()
        self.made.values.add(pseudonym)

    def item(self, source: Any, parent: str, top: Any = None) -> Any:
        """A cleaned copy of a data set or of an item of the sequence ``parent``."""
        from pydicom.dataset import Dataset

        target = Dataset()
        if codes.is_coded(source):
            for keyword, value in codes.coded(source, self.identifiers).items():
                setattr(target, keyword, value)
            self.made.counts["code kept" if len(target) else "code removed"] += 1
            if not len(target):
                return target
        for tag in list(source.keys()):
            try:
                element = source[tag]
                value = self._element(element, source, parent, top)
            except Refused:
                raise
            except Exception:
                # What its VR does not allow was never what the keep-list vouches for.
                value = self._gone(int(tag), parent)
            if value is not None and value.tag not in target:
                target.add(value)
        return target

    def _element(self, element: Any, source: Any, parent: str, top: Any) -> Any:
        tag = int(element.tag)
        row, keep = row_of(tag), kept().get(tag)
        if tag & 0xFFFF == 0 or tag >> 16 in (0x0000, 0x0002, 0x0004) or element.keyword == "SpecificCharacterSet":
            return None
        if row is not None:
            return self._by_table(element, row, source, parent)
        if keep is None or not matches(element.VR, keep.vr):
            return self._gone(tag, parent)
        return self._by_list(element, keep, parent, top)

    def _gone(self, tag: int, parent: str) -> Any:
        """Nothing, or what conformance asks for in place of a value that may not stay."""
        row, keep = row_of(tag), kept().get(tag)
        keyword = row.keyword if row is not None else keep.keyword if keep is not None else ""
        kind = type_of(self.iod, parent, keyword) if keyword else "3"
        if keyword in NEEDED:
            raise Refused("An attribute that places or scales the pixels holds what may not stay.", keyword)
        return self._fallback(tag, (row.vr if row else keep.vr if keep else "UN"), {"1": "D", "2": "Z", "3": "X"}[kind])

    def _fallback(self, tag: int, vr: str, letter: str, element: Any = None) -> Any:
        """Remove, empty or replace."""
        from pydicom.datadict import keyword_for_tag
        from pydicom.dataelem import DataElement

        vr = vr.split(" or ")[0]
        if letter == "D" and vr == "SQ":
            return self._dummy_sequence(tag, element)
        if letter == "X":
            self.made.counts["private removed" if (tag >> 16) % 2 else "removed"] += 1
            return None
        if letter == "Z":
            self.made.counts["emptied"] += 1
            return DataElement(tag, vr, [] if vr == "SQ" else None)
        self.made.counts["dummy"] += 1
        value = dummy(vr)
        if vr == "UI":
            value = self.names.uid(keyword_for_tag(tag))
            self.made.values.add(value)
        self.made.values.add(str(value))
        return DataElement(tag, vr, value)

    def _dummy_sequence(self, tag: int, element: Any) -> Any:
        """A sequence that must hold an item: its cleaned items, or a code that says nothing."""
        from pydicom.datadict import keyword_for_tag
        from pydicom.dataelem import DataElement
        from pydicom.dataset import Dataset

        keyword = keyword_for_tag(tag)
        if keyword in _PRESENT:
            self.made.counts["removed"] += 1
            return None
        items = []
        if element is not None and not keyword.endswith("CodeSequence"):
            items = [item for item in (self.item(given, keyword) for given in element.value or ()) if len(item)]
        if keyword.endswith("CodeSequence"):
            code = Dataset()
            code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = REMOVED, "99VERTHERM", "Removed"
            items = [code]
        self.made.counts["dummy"] += 1
        return DataElement(tag, "SQ", items)

    # -- Table E.1-1 --

    def _by_table(self, element: Any, row: Row, source: Any, parent: str) -> Any:
        if row.tag == PRIVATE:
            return self._private(element, source)
        tag, vr = int(element.tag), row.vr or element.VR
        if row.keyword in ("PatientName", "PatientID"):
            return self._named(element, row)
        wish, basic = self.profile.action(row)
        made = None
        if wish and matches(element.VR, vr):
            made = self._retained(element, parent) if wish == "K" else self._cleaned(element, row, parent)
        if made is not None:
            return made
        letter = resolve(basic, type_of(self.iod, parent, row.keyword))
        if letter == "U":
            return self._sequence(element, parent) if vr == "SQ" else self._uids(element)
        if not values(element) and letter == "D":
            letter = "Z"
        return self._fallback(tag, vr, letter, element)

    def _named(self, element: Any, row: Row) -> Any:
        from pydicom.dataelem import DataElement

        name = self.pseudonym
        if row.keyword == "PatientID" and values(element):
            name = self.names.patient(str(element.value).strip())[0]
        self.made.values.add(name)
        self.made.counts["pseudonym"] += 1
        return DataElement(element.tag, row.vr, name)

    def _retained(self, element: Any, parent: str) -> Any:
        """K: kept as it is, within what its VR allows; None where it cannot stay."""
        from pydicom.dataelem import DataElement

        if element.VR == "SQ":
            return self._sequence(element, parent)
        if element.VR in ("DA", "DT", "TM"):
            return self._moved(element)
        if element.VR == "AS" and values(element):
            ages = [capped_age(str(value)) for value in values(element) if well_formed("AS", value)]
            self.made.values.update(ages)
            return DataElement(element.tag, "AS", ages) if ages else None
        if element.VR == "UI":
            self.made.values.update(str(value) for value in values(element))
        elif element.VR in BYTES or not all(self._retainable(element.VR, value) for value in values(element)):
            return None
        self.made.counts["retained"] += 1
        return element

    def _retainable(self, vr: str, value: Any) -> bool:
        return well_formed(vr, value) and not (vr in (*TEXTS, "CS") and self.identifiers.inside(str(value)))

    def _cleaned(self, element: Any, row: Row, parent: str) -> Any:
        """C: shifted, or reduced to words of the list; None where nothing is left."""
        if element.VR == "SQ":
            return self._sequence(element, parent)
        if "dates_modified" in row.options:
            return self._moved(element) if element.VR in ("DA", "DT", "TM", "SH") else None
        return self._words(element)

    def _moved(self, element: Any) -> Any:
        from pydicom.dataelem import DataElement

        given = [str(value) for value in values(element)]
        moved = [dates.shifted(element.VR, value, self.back) for value in given]
        if not moved or None in moved:
            return None
        self.made.values.update(str(value) for value in moved)
        self.made.counts["time kept" if element.VR in ("TM", "SH") or not self.back else "date shifted"] += 1
        return DataElement(element.tag, element.VR, moved if len(moved) > 1 else moved[0])

    def _words(self, element: Any) -> Any:
        from pydicom.dataelem import DataElement

        if element.VR not in (*TEXTS, "CS"):
            return None
        left = [cleaned(str(value), self.identifiers) for value in values(element)]
        if element.VR == "CS":
            left = [text.upper()[:16].strip() for text in left]
        if not any(left):
            return None
        self.made.counts["cleaned"] += 1
        return DataElement(element.tag, element.VR, left if len(left) > 1 else left[0])

    def _uids(self, element: Any) -> Any:
        from pydicom.dataelem import DataElement

        given = [str(value).strip() for value in values(element)]
        mapped = [uid if registered(uid) or not uid else self.names.uid(uid) for uid in given]
        self.made.values.update(mapped)
        self.made.counts["UID mapped"] += sum(new != old for new, old in zip(mapped, given, strict=True))
        return DataElement(element.tag, "UI", mapped if len(mapped) != 1 else mapped[0])

    def _private(self, element: Any, source: Any) -> Any:
        """A private element: gone, unless it is listed as safe and that is asked for."""
        if "safe-private" in self.profile.retain and self._safe_private(element, source):
            self.made.counts["private retained"] += 1
            return element
        return self._fallback(int(element.tag), "UN", "X")

    def _safe_private(self, element: Any, source: Any) -> bool:
        group, number = element.tag.group, element.tag.element
        if 0x10 <= number <= 0xFF:
            return (group, str(element.value)) in {(group, creator) for group, creator, _ in safe_private()}
        creator = source.get((group, number >> 8))
        vr = safe_private().get((group, str(creator.value) if creator is not None else "", number & 0xFF))
        return vr == element.VR and all(self._plain(element.VR, value) for value in values(element))

    # -- the list of what may stay --

    def _by_list(self, element: Any, keep: Kept, parent: str, top: Any) -> Any:
        if keep.how == "code":
            return None
        if keep.how == "container":
            return self._sequence(element, parent)
        if keep.how == "uid":
            return self._uids(element)
        if keep.how == "pixels":
            return checked_pixels(element, top) if top is not None else self._fallback(int(element.tag), "OB", "X")
        how: Callable[[Any], Any] = self._words if keep.how == "clean" else self._safe
        made = how(element) if values(element) else element
        return made if made is not None else self._gone(int(element.tag), parent)

    def _safe(self, element: Any) -> Any:
        """A value that may stay by its nature; None where it is not what its attribute is for."""
        from pydicom.dataelem import DataElement

        given = values(element)
        good = [self._plain(element.VR, value) for value in given]
        if split_over(element, self.identifiers):
            return None
        if all(good):
            self.made.counts["kept"] += 1
            return element
        if element.VR == "CS" and any(good):
            # The place of a value counts: ImageType 3 is the third one whatever the second was.
            self.made.counts["cleaned"] += 1
            self.made.values.add(REMOVED)
            return DataElement(element.tag, "CS", [v if ok else REMOVED for v, ok in zip(given, good, strict=True)])
        return None

    def _plain(self, vr: str, value: Any) -> bool:
        return well_formed(vr, value) and not identifying(vr, value, self.identifiers)

    def _sequence(self, element: Any, parent: str) -> Any:
        from pydicom.dataelem import DataElement

        keyword = element.keyword
        given = list(element.value or ())
        items = [self.item(item, keyword) for item in given]
        if keyword.endswith("CodeSequence") or any(codes.is_coded(item) for item in given):
            items = [item for item in items if len(item)]
        if given and not any(len(item) for item in items):
            kind = type_of(self.iod, parent, keyword)
            return self._fallback(int(element.tag), "SQ", {"1": "D", "2": "Z", "3": "X"}[kind], element)
        return DataElement(element.tag, "SQ", items)
