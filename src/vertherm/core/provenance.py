"""Where a result comes from: hashes of the inputs, versions, parameters, seeds."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import vertherm

LIBRARIES = ("numpy", "scipy", "numba", "scikit-fem", "scikit-image", "nibabel", "pydicom")


def file_hash(path: Path) -> str:
    """SHA-256 of a file, or of every file of a folder in order of name."""
    digest = hashlib.sha256()
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    for item in files:
        with item.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of Vertherm, Python and the libraries that compute."""
    found = {"vertherm": vertherm.__version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a vendored or stripped install: say so instead of failing
            found[name] = "unknown"
    return found


def provenance(inputs: Iterable[tuple[str, Path]], parameters: dict[str, Any], seeds: dict[str, int]) -> dict[str, Any]:
    """Provenance of one result; names of files, not their folders (those may identify a person or a machine)."""
    return {
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [{"role": role, "name": path.name, "sha256": file_hash(path)} for role, path in inputs],
        "versions": versions(),
        "parameters": parameters,
        "seeds": seeds,
    }
