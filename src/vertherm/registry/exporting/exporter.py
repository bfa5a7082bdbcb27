"""Exports: format, level, and a manifest with each; nothing half-written is ever left behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vertherm.core.errors import InputError
from vertherm.core.files import atomic_folder, atomic_path
from vertherm.core.progress import Progress, silent
from vertherm.registry.exporting.deidentify import deidentified
from vertherm.registry.exporting.manifest import LEVELS, Manifest, make_manifest
from vertherm.registry.key import find_key, key_path
from vertherm.registry.reading import read_records, snapshot
from vertherm.registry.records import Records
from vertherm.registry.schema.tables import TABLES

if TYPE_CHECKING:
    from vertherm.registry.database import Registry

FORMATS = ("csv", "xlsx", "json", "redcap")
"""Formats of exports: csv and redcap are folders, xlsx and json files."""


def export(
    registry: Registry,
    path: Path | str,
    format: str,  # noqa: A002
    *,
    level: str,
    series: str | None = None,
    key: bytes | None = None,
    progress: Progress = silent,
) -> list[Path]:
    """Export a registry or one series of it.

    Args:
        registry: what to export.
        path: folder (csv, redcap) or file (xlsx, json).
        format: one of :data:`FORMATS`.
        level: ``none`` (structure only), ``deidentified`` or ``full``.
        series: limit to one series.
        key: secret for pseudonyms and shifts; the registry's own unless given. The same key gives the same ones.
        progress: receives progress.

    Returns:
        The files written.

    Raises:
        InputError: unknown format, level or series, no key for a de-identified export, or the place cannot be
            written.
    """
    _known("format", format, FORMATS)
    _known("level", level, tuple(LEVELS))
    progress("read", 0.0)
    records = _content(registry, level, series, key)
    manifest = make_manifest(records, level, series if level != "none" else None, registry.registry_id)
    return write_export(Path(path), format, records, manifest, progress)


def write_export(
    path: Path,
    format: str,  # noqa: A002
    records: Records,
    manifest: Manifest,
    progress: Progress = silent,
) -> list[Path]:
    """Write records that are ready, in one of the formats.

    Raises:
        InputError: the place cannot be written.
    """
    if format in ("csv", "redcap"):
        with atomic_folder(path) as folder:
            if format == "csv":
                from vertherm.registry.exporting.write_csv import write_csv

                written = write_csv(folder, records, manifest, progress)
            else:
                from vertherm.registry.redcap.write import write_redcap

                written = write_redcap(folder, records, manifest, progress)
            _keep_private(written, manifest)
        return [path / item.name for item in written]
    with atomic_path(path) as temporary:
        if format == "xlsx":
            from vertherm.registry.exporting.write_xlsx import write_xlsx

            write_xlsx(temporary, records, manifest, progress)
        else:
            from vertherm.registry.exporting.write_json import write_json_document

            write_json_document(temporary, records, manifest, progress)
        _keep_private([temporary], manifest)
    return [path]


def _keep_private(written: Sequence[Path], manifest: Manifest) -> None:
    """Files with everything about named people are readable by their owner only."""
    if manifest.level == "full":
        for path in written:
            path.chmod(0o600)


def _known(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"There is no such export {what}.", got=repr(value), expected=", ".join(known))


def _content(registry: Registry, level: str, series: str | None, key: bytes | None) -> Records:
    if level == "none":
        return Records()
    with snapshot(registry.engine) as connection:
        records = read_records(connection, series)
        everybody: set[str] = set()
        if level == "deidentified":
            everybody = set(
                connection.execute(
                    TABLES["patient"].select().with_only_columns(TABLES["patient"].c.patient_key)
                ).scalars()
            )
    if level == "full":
        return records
    secret = key or find_key(registry.registry_id)
    if secret is None:
        raise InputError(
            "A de-identified export needs the registry's key.",
            where=f"registry {registry.registry_id}",
            expected=f"the key in {key_path(registry.registry_id)}",
            advice="copy the key from where the registry was made, or export where it lies",
        )
    return deidentified(records, secret, everybody)
