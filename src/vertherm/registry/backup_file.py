"""The backup file: a ZIP with one part a table and a manifest that counts and hashes them.

Nothing in a backup is trusted before its hash was compared, and no part is ever unpacked as a whole.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress

MANIFEST = "manifest.json"
FORMAT = "vertherm-registry-backup"
VERSION = 1
_BLOCK = 1 << 20
_LONGEST_LINE = 64 * 1024 * 1024
"""Bytes; the longest document that a record takes is 5 million characters, and the audit holds it twice."""


@dataclass(frozen=True)
class Part:
    """One table of a backup: its columns in order, number of rows, SHA-256 of its lines."""

    table: str
    columns: tuple[str, ...]
    rows: int
    sha256: str

    @property
    def name(self) -> str:
        """Name inside the ZIP."""
        return f"tables/{self.table}.jsonl"


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself; ``head_seal_no`` and ``head_mac`` are those of the last seal in it."""

    registry_id: str
    schema_version: int
    revision: str
    made_at: str
    made_by: str
    dialect: str
    head_seal_no: int
    head_mac: str
    parts: tuple[Part, ...]

    def document(self) -> dict[str, Any]:
        """As JSON, without the code that proves it."""
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    def mac(self, key: bytes) -> str:
        """HMAC-SHA256 of the manifest by the registry's key; the hashes of all parts are under it."""
        text = json.dumps(self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hmac.new(key, b"vertherm-backup\n" + text.encode(), hashlib.sha256).hexdigest()


def damaged(path: Path, what: str, where: str = "") -> InputError:
    """The error for a backup that cannot be used."""
    return InputError(
        "This backup is damaged or was changed; nothing was restored.",
        where=f"{path}: {where}" if where else str(path),
        got=what,
        expected="a backup as vertherm registry backup writes it",
        advice="use another copy of it, or an earlier backup",
    )


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a backup for reading.

    Raises:
        InputError: there is no such file, or it is no readable ZIP.
    """
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise InputError(
            "The backup cannot be read.", where=str(path), got=error.strerror or error, expected="a backup file"
        ) from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise damaged(path, f"not a complete ZIP file ({error})") from error
    with archive:
        yield archive


def read_manifest(archive: zipfile.ZipFile, path: Path) -> tuple[Manifest, str]:
    """Manifest of a backup and the code beside it, empty where it was made without the registry's key.

    Raises:
        InputError: no backup, a damaged one, or one of a newer format.
    """
    try:
        document = json.loads(archive.read(MANIFEST))
    except KeyError as error:
        raise damaged(path, f"no {MANIFEST} in it") from error
    except _READ_ERRORS as error:
        raise damaged(path, str(error), MANIFEST) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise damaged(path, "not the manifest of a registry", MANIFEST)
    if document.get("version") != VERSION:
        raise newer(path, f"format {document.get('version')}", f"format {VERSION}")
    try:
        parts = tuple(
            Part(str(p["table"]), tuple(map(str, p["columns"])), int(p["rows"]), str(p["sha256"]))
            for p in document["parts"]
        )
        manifest = Manifest(
            registry_id=str(document["registry_id"]),
            schema_version=int(document["schema_version"]),
            revision=str(document["revision"]),
            made_at=str(document["made_at"]),
            made_by=str(document["made_by"]),
            dialect=str(document["dialect"]),
            head_seal_no=int(document["head_seal_no"]),
            head_mac=str(document["head_mac"]),
            parts=parts,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}", MANIFEST) from error
    return manifest, str(document.get("mac") or "")


def newer(path: Path, got: str, expected: str) -> InputError:
    """The error for a backup that this version cannot read."""
    return InputError(
        "This backup was made by another version of Vertherm; nothing was restored.",
        where=str(path),
        got=got,
        expected=expected,
        advice="restore it with the version that made it, or a newer one",
    )


def verify_parts(archive: zipfile.ZipFile, path: Path, manifest: Manifest, progress: Progress) -> None:
    """Compare every part with its count and its hash, before anything is loaded.

    Raises:
        InputError: a part is missing, was added, or differs.
    """
    named = [part.name for part in manifest.parts]
    found = archive.namelist()
    if sorted(found) != sorted([MANIFEST, *named]):
        odd = sorted(set(found) ^ {MANIFEST, *named}) or ["a part that is there twice"]
        raise damaged(path, f"parts do not agree with the manifest: {', '.join(odd)}")
    for number, part in enumerate(manifest.parts):
        digest, rows = hashlib.sha256(), 0
        try:
            with archive.open(part.name) as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    rows += block.count(b"\n")
        except _READ_ERRORS as error:
            raise damaged(path, str(error), part.name) from error
        if rows != part.rows:
            raise damaged(path, f"{rows} rows where the manifest says {part.rows}", part.name)
        if digest.hexdigest() != part.sha256:
            raise damaged(path, "its SHA-256 differs from the manifest", part.name)
        progress("verify backup", (number + 1) / len(manifest.parts))


def lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines of a part; one that is absurdly long is cut, and then is no JSON."""
    while line := stream.readline(_LONGEST_LINE):
        yield line


_READ_ERRORS = (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zlib.error)
"""What zipfile and json raise on damage: bad CRC, bad compression, truncation, bad text, encryption."""
