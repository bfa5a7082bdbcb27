"""Keyed pseudonyms, UIDs and shifts (HMAC-SHA-256): the same key gives the same ones, nobody undoes them without it.

Pseudonym and shift of a patient are derived as in the registry's exports, so that with the registry's key, and the
patient's key of the registry, images and records of one patient carry one pseudonym and one shift.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Mapping
from datetime import timedelta

from vertherm.core.errors import InputError

LABEL = b"vertherm de-identification 1"
LONGEST_SHIFT = 364
SHORTEST_KEY = 16


class Pseudonyms:
    """Replaces by a key.

    Args:
        key: 16 bytes or more.
        patients: patient's key in the registry by PatientID; a PatientID that is not listed stands for itself.

    Raises:
        InputError: the key is too short.
    """

    def __init__(self, key: bytes, patients: Mapping[str, str] | None = None) -> None:
        if len(key) < SHORTEST_KEY:
            raise InputError(
                "The key is too short to hide anything.", got=f"{len(key)} bytes", expected=f"{SHORTEST_KEY} or more"
            )
        self._key = hmac.new(key, LABEL, hashlib.sha256).digest()
        self._patients = dict(patients or {})
        self._uids: dict[str, str] = {}

    def _digest(self, what: str, text: str) -> bytes:
        return hmac.new(self._key, f"{what}|{text}".encode(), hashlib.sha256).digest()

    def patient(self, patient_id: str) -> tuple[str, timedelta]:
        """Pseudonym of a patient, and how far back the patient's dates move (1 to 364 days)."""
        known = self._patients.get(patient_id, patient_id)
        pseudonym = "p" + self._digest("patient", known).hex()[:20]
        days = int.from_bytes(self._digest("shift", known)[:8], "big") % LONGEST_SHIFT + 1
        return pseudonym, timedelta(days=days)

    def uid(self, uid: str) -> str:
        """The UID that replaces ``uid``: 2.25 and a UUID of version 8 (PS3.5 B.2, RFC 9562)."""
        if uid not in self._uids:
            digits = int.from_bytes(self._digest("uid", uid)[:16], "big")
            digits = digits & ~(0xF << 76) & ~(0x3 << 62) | (8 << 76) | (2 << 62)
            self._uids[uid] = f"2.25.{uuid.UUID(int=digits).int}"
        return self._uids[uid]
