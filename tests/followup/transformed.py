"""The pairs of scans with a known transform, made from the shared scans."""

from __future__ import annotations

from tests.shared_data import folder, need
from vertherm.followup.registration_pairs import SUBJECTS, Ball, Scan, Subject, random_motion, read_subject, take

__all__ = ["Ball", "Scan", "Subject", "random_motion", "subject", "take"]


def subject(name: str) -> Subject:
    """``lumbar``, ``single`` or ``dicom``; absent: a skip, a failure where CI=true."""
    for path in SUBJECTS[name][:2]:
        need(path)
    return read_subject(folder(), name)
