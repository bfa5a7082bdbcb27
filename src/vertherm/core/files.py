"""Writes that never leave half a file: to a temporary name first, then renamed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vertherm.core.errors import InputError

_SQLITE = b"SQLite format 3\0"


def _cannot_write(path: Path, error: OSError) -> InputError:
    return InputError(
        "Cannot write the output.",
        where=str(path),
        got=f"{type(error).__name__}: {error.strerror or error}",
        expected="a writable folder with free space",
        advice="free some space or choose another output folder with -o; nothing half-written was left behind",
    )


def _need_no_database(path: Path) -> None:
    # A mistyped output name must never cost somebody a registry: its history exists nowhere else.
    with suppress(OSError):
        with path.open("rb") as stream:
            found = stream.read(len(_SQLITE))
        if found == _SQLITE:
            raise InputError(
                "The output would replace a database.",
                where=str(path),
                got="an SQLite file, perhaps a registry",
                expected="a new name, or that of an earlier output",
                advice="choose another name; nothing was written",
            )


@contextmanager
def atomic_path(path: Path, *, replace_database: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` that replaces it on success and vanishes on failure.

    The temporary name keeps the suffixes, because writers choose their format by them. An SQLite database is replaced
    only with ``replace_database``.

    Raises:
        InputError: ``path`` is a database, or the operating system refused (disk full, no permission).
    """
    if not replace_database:
        _need_no_database(path)
    temporary = path.with_name(f".{os.getpid()}.partial.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        # A parent that is no folder makes even unlink fail; that must not hide the first error.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path, owned: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``folder``; on success its files replace those of ``folder``.

    Files of the same names are replaced, others in ``folder`` stay, except the files and sub-folders ``owned``: what an
    earlier run left of them goes. On failure nothing in ``folder`` has changed.
    """
    folder = Path(folder)
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(
                "The output path is a file.", where=str(folder), expected="a folder", advice="choose another -o"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial.", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        yield temporary
        folder.mkdir(exist_ok=True)
        for name in owned:
            if (folder / name).is_dir():
                shutil.rmtree(folder / name, ignore_errors=True)
            else:
                (folder / name).unlink(missing_ok=True)
        for item in sorted(temporary.rglob("*")):
            target = folder / item.relative_to(temporary)
            if item.is_dir():
                target.mkdir(exist_ok=True)
            else:
                item.replace(target)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, document: Any) -> None:
    """Write ``document`` as UTF-8 JSON, atomically; NaN and infinity are refused because JSON has none."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
