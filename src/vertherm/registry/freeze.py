"""Data freezes: the state that a review is made from, with its hash, and its data in a file.

A freeze changes nothing: entries go on, and ``verify`` says whether today's data are still those of the freeze.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.core.files import atomic_folder
from vertherm.core.progress import Progress, silent
from vertherm.registry import snapshot_file
from vertherm.registry.check import export_head
from vertherm.registry.reading import snapshot
from vertherm.registry.schema.system import AUDIT, FREEZE
from vertherm.registry.schema.tables import TABLES
from vertherm.registry.seal import last_seal, utc_now
from vertherm.registry.snapshot_file import load_snapshot

if TYPE_CHECKING:
    from vertherm.registry.database import Registry

__all__ = ["Freeze", "FreezeState", "freeze", "freezes", "load_snapshot", "verify"]


@dataclass(frozen=True)
class Freeze:
    """One freeze.

    Args:
        freeze_no: its number in the registry.
        at: moment of the data, UTC, ISO 8601.
        who, why: who froze and for what.
        series: the series, empty for all.
        data_sha256: hash of the data, that of ``Records.sha256``.
        counts: number of records by table, empty tables left out.
        head_seal_no, head_mac: last seal of the audit at that moment.
        audit_rows: rows of the audit at that moment.
        files: what was written: data and head; empty for a freeze read back.
    """

    freeze_no: int
    at: str
    who: str
    why: str
    series: str
    data_sha256: str
    counts: dict[str, int]
    head_seal_no: int
    head_mac: str
    audit_rows: int
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class FreezeState:
    """A freeze beside the data of today; ``changes`` maps a table to its counts then and now where they differ."""

    freeze: Freeze
    data_sha256: str
    counts: dict[str, int]

    @property
    def unchanged(self) -> bool:
        """True where today's data are those that were frozen."""
        return self.data_sha256 == self.freeze.data_sha256

    @property
    def changes(self) -> dict[str, tuple[int, int]]:
        """Tables whose number of records differs; values may differ in others too."""
        then, now = self.freeze.counts, self.counts
        names = [name for name in TABLES if then.get(name, 0) != now.get(name, 0)]
        return {name: (then.get(name, 0), now.get(name, 0)) for name in names}


def freeze(
    registry: Registry,
    *,
    user: str,
    why: str,
    series: str | None = None,
    folder: Path,
    progress: Progress = silent,
) -> Freeze:
    """Freeze the data of one moment: a row in the registry, a data file and the exported head in ``folder``.

    Writers may go on meanwhile: data and head are those of one moment.

    Args:
        registry: an open registry.
        user, why: for the audit; ``why`` also says what the freeze is for.
        series: one series; None: all.
        folder: gets ``freeze-N.jsonl.gz`` and ``freeze-N-head.json``. Keep a copy of the head elsewhere.
        progress: receives progress.

    Raises:
        InputError: no such series, the folder cannot be written, or it holds a freeze of that number.
    """
    folder = Path(folder)
    with atomic_folder(folder) as temporary:
        draft = temporary / "data"
        draft.touch(mode=0o600)  # not de-identified: for its owner alone, as a backup is
        with snapshot(registry.engine) as connection:
            _need_series(connection, series)
            values = {"at": utc_now(), "series": series or "", **_head(connection)}
            header = {"registry_id": registry.registry_id, **values}
            sha256, counts = snapshot_file.write(draft, header, snapshot_file.data_lines(connection, series, progress))
        with registry.transaction(user=user, why=why) as writer:
            values |= {"who": writer.user, "why": writer.why, "data_sha256": sha256}
            statement = sa.insert(FREEZE).values(**values, counts=json.dumps(counts)).returning(FREEZE.c.freeze_no)
            number = writer.connection.execute(statement).scalar_one()
            files = tuple(folder / name for name in file_names(number))
            _need_absent(files)
        draft.rename(temporary / files[0].name)
        export_head(registry, temporary / files[1].name)
    return Freeze(freeze_no=number, **values, counts=counts, files=files)


def file_names(number: int) -> tuple[str, str]:
    """Names of the data file and of the exported head of a freeze."""
    return f"freeze-{number}.jsonl.gz", f"freeze-{number}-head.json"


def freezes(registry: Registry) -> list[Freeze]:
    """All freezes, oldest first."""
    with registry.engine.connect() as connection:
        return [_freeze(row) for row in connection.execute(sa.select(FREEZE).order_by(FREEZE.c.freeze_no))]


def verify(registry: Registry, freeze_no: int, *, progress: Progress = silent) -> FreezeState:
    """Compare today's data with a freeze.

    Raises:
        InputError: there is no such freeze.
    """
    with snapshot(registry.engine) as connection:
        row = connection.execute(sa.select(FREEZE).where(FREEZE.c.freeze_no == freeze_no)).one_or_none()
        if row is None:
            known = connection.execute(sa.select(FREEZE.c.freeze_no).order_by(FREEZE.c.freeze_no)).scalars()
            raise InputError(
                "There is no such freeze.",
                got=freeze_no,
                expected=", ".join(map(str, known)) or "no freeze was made yet",
            )
        found = _freeze(row)
        data = snapshot_file.data_lines(connection, found.series or None, progress)
        return FreezeState(found, *snapshot_file.digest(data))


def _need_series(connection: sa.Connection, series: str | None) -> None:
    table = TABLES["series"]
    known = list(connection.execute(sa.select(table.c.series).order_by(table.c.series)).scalars())
    if series is not None and series not in known:
        raise InputError("There is no such series.", got=series, expected=", ".join(known) or "no series yet")


def _head(connection: sa.Connection) -> dict[str, Any]:
    last = last_seal(connection)
    rows = connection.execute(sa.select(sa.func.count()).select_from(AUDIT)).scalar_one()
    return {"head_seal_no": last.seal_no if last else 0, "head_mac": last.mac if last else "", "audit_rows": rows}


def _need_absent(files: tuple[Path, ...]) -> None:
    # Raised inside the transaction: a freeze whose files cannot be placed is no freeze.
    for path in files:
        if path.exists():
            raise InputError(
                "The folder holds a freeze of this number already.",
                where=str(path),
                advice="choose another folder: these files belong to another registry or to a copy of this one",
            )


def _freeze(row: sa.Row[Any]) -> Freeze:
    values = dict(row._mapping)
    return Freeze(**{**values, "counts": json.loads(values["counts"])})
