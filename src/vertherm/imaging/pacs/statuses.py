"""What the status codes of DICOM services mean (PS3.7 annex C, PS3.4 annexes B, C and GG, PS3.18 10.5.3)."""

from __future__ import annotations


def storage(code: int) -> str:
    """Meaning of a status of C-STORE, or of a failure or warning reason of STOW-RS."""
    from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

    if code == 0xC122:
        return _worded(code, "Failure", "Transfer syntax not supported")
    return _meaning(code, STORAGE_SERVICE_CLASS_STATUS)


def query(code: int) -> str:
    """Meaning of a status of C-FIND."""
    from pynetdicom.status import QR_FIND_SERVICE_CLASS_STATUS

    return _meaning(code, QR_FIND_SERVICE_CLASS_STATUS)


def retrieval(code: int) -> str:
    """Meaning of a status of C-GET."""
    from pynetdicom.status import QR_GET_SERVICE_CLASS_STATUS

    return _meaning(code, QR_GET_SERVICE_CLASS_STATUS)


def general(code: int) -> str:
    """Meaning of a status of C-ECHO."""
    from pynetdicom.status import GENERAL_STATUS

    return _meaning(code, GENERAL_STATUS)


def _meaning(code: int, table: dict[int, tuple[str, ...]]) -> str:
    from pynetdicom.status import code_to_category

    category, *text = table.get(code, (code_to_category(code), ""))
    return _worded(code, category, text[0] if text else "")


def _worded(code: int, category: str, text: str) -> str:
    return f"status 0x{code:04X}, {category.lower()}{f': {text}' if text else ''}"
