"""The layers of the design hold."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def test_import_layers() -> None:
    command = shutil.which("lint-imports", path=str(Path(__import__("sys").executable).parent))
    assert command, "import-linter is part of the development environment"
    done = subprocess.run([command], cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
