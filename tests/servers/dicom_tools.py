"""The programs ``dciodvfy`` and ``dsrdump``: absent, a skip on a user's machine and a failure where CI=true."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

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
