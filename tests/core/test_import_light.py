"""Importing the package and its command line stays light: heavy libraries load where they are used."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("numba", "scipy", "skfem", "matplotlib", "pydicom", "nibabel", "skimage", "jinja2")
HEAVY += ("SimpleITK", "highdicom", "pynetdicom", "requests")


def test_command_line_loads_no_heavy_library() -> None:
    code = f"import sys, vertherm, vertherm.cli.main; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
