"""The last look: what was written is read again, and nothing of the input may be found in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vertherm.imaging.deidentify.descriptors import TELLING
from vertherm.imaging.deidentify.elements import BYTES, TEXTS, Refused, values, written
from vertherm.imaging.deidentify.identifiers import Identifiers, Unreadable, elements, values_of
from vertherm.imaging.deidentify.judging import BINARY, binary_number, split_over
from vertherm.imaging.deidentify.tables import registered

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def sweep(path: Path, identifiers: Identifiers, made: set[str], *, document_accepted: bool = False) -> None:
    """Look for every identifying string in a written file.

    Args:
        path: the file.
        identifiers: identifying strings of the input.
        made: values that cleaning wrote itself (pseudonyms, UIDs, moved dates).
        document_accepted: an encapsulated document was accepted as it is.

    Raises:
        Refused: names the attribute that holds one, or that cannot be read.
    """
    import pydicom

    with path.open("rb") as stream:
        if any(stream.read(128)):
            raise Refused("The preamble is not empty.", "preamble")
    dataset = pydicom.dcmread(path)
    try:
        for part in (dataset.file_meta, dataset):
            for element in elements(part, strict=True):
                if element.keyword == "EncapsulatedDocument" and document_accepted:
                    continue
                if element.VR != "SQ" and _leaks(element, identifiers, made):
                    raise Refused("An identifying string would remain.", f"{element.tag} {element.keyword}".strip())
    except Unreadable as error:
        raise Refused("An element of the result cannot be read again.", str(error)) from error


def _leaks(element: Any, identifiers: Identifiers, made: set[str]) -> bool:
    if element.keyword in _PIXELS:
        # Uncompressed pixels are numbers; compressed ones may carry comments.
        return element.is_undefined_length and identifiers.in_bytes(element.value)
    if element.VR in BYTES:
        return isinstance(element.value, bytes) and identifiers.in_bytes(element.value)
    if element.VR in BINARY:
        return any(binary_number(value, identifiers) for value in values(element))
    if split_over(element, identifiers) and not set(values_of(element)) <= made:
        return True
    return any(_value_leaks(element, value, identifiers, made) for value in values_of(element) if value)


def _value_leaks(element: Any, value: str, identifiers: Identifiers, made: set[str]) -> bool:
    from pydicom.uid import PYDICOM_IMPLEMENTATION_UID

    vr = element.VR
    if value in made:
        return False
    if vr == "UI":
        return not registered(value) and value != PYDICOM_IMPLEMENTATION_UID
    if vr in ("DA", "DT", "TM", "AS"):
        return True
    if vr in ("DS", "IS"):
        return identifiers.is_number(written(value))
    if vr in TEXTS:
        return identifiers.inside(value) or (vr == "PN" and bool(TELLING.search(value)))
    return vr == "CS" and identifiers.inside(value)
