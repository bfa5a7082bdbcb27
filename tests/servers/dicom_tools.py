"""The programs ``dciodvfy`` and ``dsrdump``: absent, a skip on a user's machine and a failure where CI=true."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def program(name: str) -> str:
    """Path of a program that tests/servers/install.sh installs."""
    found = shutil.which(name)
    if found is not None:
        return found
    reason = f"{name} is not installed (tests/servers/install.sh installs it)"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def violations(path: Path) -> list[str]:
    """Errors that dciodvfy finds in an object."""
    done = subprocess.run(
        [program("dciodvfy"), str(path)], capture_output=True, text=True, errors="replace", check=False
    )
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def numbers(dataset: Any) -> dict[tuple[str, str], float]:
    """(group, measurement) to value, by pydicom alone."""
    found: dict[tuple[str, str], float] = {}

    def walk(item: Any, group: str) -> None:
        for child in item.get("ContentSequence", []):
            meaning = child.ConceptNameCodeSequence[0].CodeMeaning
            if meaning == "Measurement Group":
                group = next(
                    part.TextValue
                    for part in child.ContentSequence
                    if part.ConceptNameCodeSequence[0].CodeMeaning == "Tracking Identifier"
                )
            if child.ValueType == "NUM":
                found[group, meaning] = float(child.MeasuredValueSequence[0].NumericValue)
            walk(child, group)

    walk(dataset, "")
    return found
