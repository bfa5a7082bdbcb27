"""Solutions kept by content: same antenna, frequency, mesh, medium and code give the stored answer."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
import zipfile
from dataclasses import fields
from functools import cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import numpy as np

from vertherm.applicator.axisymmetric import AxisymmetricModel, AxisymmetricSolution
from vertherm.applicator.medium import Medium
from vertherm.core.errors import InputError
from vertherm.core.files import atomic_path
from vertherm.core.warnings import VerthermWarning

_CODE = ("antenna.py", "axisymmetric.py", "medium.py", "mesh.py", "tm.py")
PRUNE_EVERY_S = 600.0
_PRUNED: dict[tuple[Path, float], float] = {}
"""When this process last looked at a folder with a limit."""


def default_folder() -> Path:
    """``VERTHERM_CACHE``, or the user's cache folder."""
    named = os.environ.get("VERTHERM_CACHE")
    if named:
        return Path(named) / "antenna"
    import platformdirs

    return Path(platformdirs.user_cache_dir("vertherm", appauthor=False)) / "antenna"


@cache
def code_version() -> str:
    """Hash of the solver's own sources and the libraries it stands on: any change makes new entries."""
    digest = hashlib.sha256()
    for name in _CODE:
        digest.update(files("vertherm.applicator").joinpath(name).read_bytes())
    for library in ("numpy", "scipy", "scikit-fem"):
        digest.update(f"{library} {metadata.version(library)}".encode())
    return digest.hexdigest()


class SolutionCache:
    """A folder of solutions.

    Args:
        folder: where they lie; default :func:`default_folder`.
        limit_mb: the oldest entries go when the folder has grown beyond this (checked on construction, at most every
            ten minutes).
    """

    def __init__(self, folder: Path | None = None, *, limit_mb: float = 500.0) -> None:
        self.folder = default_folder() if folder is None else Path(folder)
        self.hits = 0
        self.misses = 0
        self._prune_now_and_then(limit_mb * 1e6)

    def key(self, model: AxisymmetricModel, medium: Medium) -> str:
        """Content address of a solution."""
        parts = (model.antenna.key, repr(model.frequency_hz), model.settings, medium.key, code_version())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def solve(self, model: AxisymmetricModel, medium: Medium) -> AxisymmetricSolution:
        """The stored solution, or a fresh one that is then stored; a damaged entry is replaced."""
        path = self.folder / f"{self.key(model, medium)}.npz"
        stored = _read(path)
        if stored is not None:
            self.hits += 1
            return stored
        self.misses += 1
        solution = model.solve(medium)
        try:
            with atomic_path(path) as temporary:
                values = {f.name: np.asarray(getattr(solution, f.name)) for f in fields(solution)}
                np.savez(temporary, allow_pickle=False, **values)
        except (InputError, OSError) as error:
            # A full or read-only cache must not stop a treatment from being computed.
            warnings.warn(f"The antenna cache cannot be written: {error}", VerthermWarning, stacklevel=2)
        return solution

    def _prune_now_and_then(self, limit_bytes: float) -> None:
        """A look at every entry costs more than reading one: at most once in a while."""
        key, now = (self.folder, limit_bytes), time.monotonic()
        if now - _PRUNED.get(key, -PRUNE_EVERY_S) >= PRUNE_EVERY_S:
            _PRUNED[key] = now
            self._prune(limit_bytes)

    def _prune(self, limit_bytes: float) -> None:
        if not self.folder.is_dir():
            return
        entries = sorted(found for found in map(_entry, self.folder.glob("*.npz")) if found is not None)
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= limit_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size


def _entry(path: Path) -> tuple[float, int, Path] | None:
    """Age and size of an entry; None where another process has just removed it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime, found.st_size, path


def _read(path: Path) -> AxisymmetricSolution | None:
    """The entry, or None where it is absent or damaged."""
    try:
        # An own stream: numpy leaves a damaged archive open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            values = {f.name: content[f.name] for f in fields(AxisymmetricSolution)}
            return AxisymmetricSolution(**{n: v.item() if v.ndim == 0 else v for n, v in values.items()})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
