"""Objects that attributes cannot clean: refused, unless their kind is accepted, and then that is recorded."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from vertherm.imaging.deidentify.elements import Refused
from vertherm.imaging.deidentify.identifiers import elements
from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.tables import refused_kinds, storage_classes

_HEAD_NECK = (
    "HEAD", "NECK", "BRAIN", "SKULL", "FACE", "ORBIT", "SINUS", "CSPINE", "CERVICAL", "WHOLEBODY",
    "KOPF", "SCHAEDEL", "SCHÄDEL", "HALS", "HWS", "CRANE", "CRÂNE", "TETE", "TÊTE",
)  # fmt: skip
_WHERE = ("BodyPartExamined", "StudyDescription", "SeriesDescription", "ProtocolName")
SR = ("sr", "key-object-selection-document")


def iod_of(dataset: Any) -> str:
    """IOD of an object, as the tables name it.

    Raises:
        Refused: a storage class that is not in the list: its attributes are unknown.
    """
    uid = str(dataset.get("SOPClassUID", "")).strip()
    iod = storage_classes().get(uid)
    if iod is None:
        raise Refused("This storage class is not in the list of those that can be de-identified.", "SOPClassUID")
    return iod


def check_kind(dataset: Any, iod: str, profile: Profile) -> set[str]:
    """Refuse what cannot be cleaned.

    Returns:
        The accepted kinds that the object is of; they are to be recorded in it.

    Raises:
        Refused: names the attribute, and the word that would accept the object.
    """
    accepted: set[str] = set()
    for reason, tag, word in _reasons(dataset, iod, profile):
        if word not in profile.accept:
            raise Refused(reason, tag, word)
        accepted.add(word)
    return accepted


def _reasons(dataset: Any, iod: str, profile: Profile) -> list[tuple[str, str, str]]:
    found = []
    if _text(dataset, "BurnedInAnnotation") not in ("", "NO"):
        found.append(("The pixels hold burnt-in annotation.", "BurnedInAnnotation", "burnt-in"))
    kinds = {
        "iod": ([iod], "SOPClassUID"),
        "image_type": (_texts(dataset, "ImageType"), "ImageType"),
        "modality": ([_text(dataset, "Modality")], "Modality"),
        "conversion": ([_text(dataset, "ConversionType")], "ConversionType"),
        # Pages with names are also stored as images of a scanner; reports without pixels are none.
        "description": ([_text(dataset, "SeriesDescription")] if "PixelData" in dataset else [], "SeriesDescription"),
        # A segmentation in colours is a label map; a CT or MR in colours is a picture that a program made.
        "colour": (
            _texts(dataset, "PhotometricInterpretation") if iod.endswith("-image") else [],
            "PhotometricInterpretation",
        ),
    }
    for kind in refused_kinds():
        values, tag = kinds[kind.what]
        if any(fnmatchcase(value, kind.value) for value in values):
            found.append((f"Refused: {kind.reason}.", tag, kind.accept))
    if _embedded_overlay(dataset):
        found.append(("Overlay planes lie in the pixel data.", "OverlayBitPosition", "burnt-in"))
    if iod.endswith(SR):
        found += _documents(dataset, profile)
    return found


def _documents(dataset: Any, profile: Profile) -> list[tuple[str, str, str]]:
    if not profile.structured:
        return [("A structured report needs the option to clean structured content.", "ContentSequence", "")]
    if any(element.keyword == "TextValue" and element.value for element in elements(dataset)):
        return [("The structured report holds free text.", "TextValue", "free-text")]
    return []


def _embedded_overlay(dataset: Any) -> bool:
    for tag in list(dataset.keys()):
        if 0x6000 <= tag.group <= 0x60FF and tag.element == 0x0102:
            value = dataset[tag].value
            # Under another VR it is a stream of bytes; zero says that the overlay lies elsewhere.
            if any(value) if isinstance(value, bytes) else value not in (None, "", 0):
                return True
    return False


def shows_head(dataset: Any) -> bool:
    """True where the header says head or neck, or a recognizable face: it may be rebuilt from the volume."""
    regions = (_text(item, "CodeMeaning") for item in dataset.get("AnatomicRegionSequence") or ())
    told = " ".join([*(_text(dataset, name) for name in _WHERE), *regions])
    told = told.upper().replace(" ", "").replace("-", "")
    return _text(dataset, "RecognizableVisualFeatures") == "YES" or any(part in told for part in _HEAD_NECK)


def _text(dataset: Any, keyword: str) -> str:
    return " ".join(_texts(dataset, keyword))


def _texts(dataset: Any, keyword: str) -> list[str]:
    value = dataset.get(keyword)
    if value is None:
        return []
    parts = [value] if isinstance(value, str) else list(value) if hasattr(value, "__iter__") else [value]
    return [str(part).strip().upper() for part in parts]
