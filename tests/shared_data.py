"""The shared scans: where they are, and what their absence means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def folder() -> Path:
    """``VERTHERM_DATA``, or ``../shared/data`` beside the checkout."""
    return Path(os.environ.get("VERTHERM_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def need(relative: str) -> Path:
    """Path of a shared file; absent: a skip with its reason on a user's machine, a failure where CI=true."""
    path = folder() / relative
    if path.exists():
        return path
    reason = f"shared data missing: {relative} (set VERTHERM_DATA to the folder with the scans)"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)
