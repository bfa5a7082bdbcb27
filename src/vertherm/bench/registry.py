"""The registry beside plain tables of the same rows, in one run.

What the peers leave out is what the registry is for: checks, constraints, triggers that audit every change, seals. The
ratios say what that costs. Peak memory is that of the whole process during a step, records in memory included.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertherm.core.errors import VerthermError
from vertherm.core.progress import Progress, silent

if TYPE_CHECKING:
    from vertherm.registry.database import Registry
    from vertherm.registry.records import Records

Row = dict[str, Any]
SERVER = "VERTHERM_BENCH_POSTGRES"
"""Environment variable with the address of a PostgreSQL database whose user may create databases."""
SIZE, QUICK_SIZE = 10_000, 1_000
_USER, _WHY = "bench", "benchmark"


def rows(quick: bool = False, patients: int | None = None, *, progress: Progress = silent) -> list[Row]:
    """Benchmark rows: ``name``, ``value``, ``unit``, ``ratio``, ``note``, ``peak_mb``.

    ``ratio`` is ours over the peer, above 1: ours is faster; ``peak_mb`` is None where the system does not tell.

    Args:
        quick: 1,000 patients, for tests.
        patients: number of patients; None: 10,000, or 1,000 with ``quick``.
        progress: receives progress.
    """
    from vertherm.registry.synthetic import generate

    number = patients or (QUICK_SIZE if quick else SIZE)
    progress("make records", 0.0)
    made = timed(lambda: generate("stress", patients=number))
    records: Records = made.value
    total = sum(records.counts().values())
    note = f"{number:,} patients, {total:,} rows"
    out = [_row(f"registry synthetic {number}", total, made, None, f"stress series; {note}")]
    with _own_key(), tempfile.TemporaryDirectory(prefix="vertherm-bench-") as folder:
        peers = _sqlite_peers(records, total, number, Path(folder))
        out += peers.rows
        url = f"sqlite:///{Path(folder) / 'registry.db'}"
        out += _Contestant("sqlite", url, records, total, number, Path(folder), peers.times, progress).rows()
        out += _on_server(records, total, number, Path(folder), progress)
    return out


class Timed:
    """What a step returned, how long it took in s, and the peak memory of the process meanwhile in MB."""

    def __init__(self, value: Any, seconds: float, peak_mb: float | None) -> None:
        self.value, self.seconds, self.peak_mb = value, seconds, peak_mb


def timed(work: Callable[[], Any]) -> Timed:
    """Run and measure; the peak is reset before, where Linux lets us."""
    reset = _reset_peak()
    start = time.perf_counter()
    value = work()
    seconds = time.perf_counter() - start
    return Timed(value, seconds, _peak_mb() if reset else None)


def _reset_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return False
    return True


def _peak_mb() -> float | None:
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1024
    return None


def _row(name: str, count: float, took: Timed, peer_s: float | None, note: str, unit: str = "rows/s") -> Row:
    ratio = None if peer_s is None else peer_s / took.seconds
    value = count / took.seconds
    peak = None if took.peak_mb is None else round(took.peak_mb)
    return {"name": name, "value": value, "unit": unit, "ratio": ratio, "note": note, "peak_mb": peak}


def _silent(name: str, why: str) -> Row:
    return {"name": name, "value": None, "unit": "rows/s", "ratio": None, "note": f"not run: {why}", "peak_mb": None}


class _Peers:
    """Times of the peers in s, by step, and their rows."""

    def __init__(self, suffix: str, total: int) -> None:
        self.suffix, self.total = suffix, total
        self.times: dict[str, float] = {}
        self.rows: list[Row] = []

    def add(self, step: str, name: str, took: Timed, note: str, *, reference: bool = True) -> None:
        if reference:
            self.times[step] = took.seconds
        ratio = self.times.get(step)
        self.rows.append(_row(f"{name} {self.suffix}", self.total, took, ratio, note))


def _sqlite_peers(records: Records, total: int, number: int, folder: Path) -> _Peers:
    """The same rows in SQLite without keys, constraints, audit or seals."""
    peers = _Peers(str(number), total)
    plain = folder / "plain.db"
    bare = "tables without keys, constraints, audit, seals"
    peers.add("write", "sqlite3 executemany", timed(lambda: _plain_write(records, plain)), f"{bare}; one transaction")
    took = timed(lambda: _pandas_write(records, folder / "pandas.db"))
    peers.add("write", "pandas to_sql", took, f"{bare}; the frames made beforehand are not counted", reference=False)
    peers.add("read", "sqlite3 select", timed(lambda: _plain_read(plain)), "every row as a tuple, dates as text")
    peers.add(
        "backup", "sqlite3 backup", timed(lambda: _plain_backup(plain, folder / "copy.db")), "copy of the plain file"
    )
    return peers


def _plain_write(records: Records, path: Path) -> None:
    from vertherm.registry.schema.catalogue import BY_NAME

    with sqlite3.connect(path) as connection:
        for name, found in records.tables.items():
            columns = BY_NAME[name].columns
            connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            marks = ", ".join("?" * len(columns))
            # What the driver stores of a date is its ISO text, as ours.
            texts = (tuple(v.isoformat() if isinstance(v, date) else v for v in row) for row in found)
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", texts)
    connection.close()


def _pandas_write(records: Records, path: Path) -> None:
    from vertherm.registry.frames import frames_of

    frames = frames_of(records)
    connection = sqlite3.connect(path)
    for name, frame in frames.items():
        frame.to_sql(name, connection, index=False)
    connection.close()


def _plain_read(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = [connection.execute(f"SELECT * FROM {name}").fetchall() for name in names]
        assert kept
    connection.close()


def _plain_backup(path: Path, other: Path) -> None:
    source, target = sqlite3.connect(path), sqlite3.connect(other)
    source.backup(target)
    source.close()
    target.close()


class _Contestant:
    """The registry on one database."""

    def __init__(
        self,
        kind: str,
        url: str,
        records: Records,
        total: int,
        number: int,
        folder: Path,
        peers: dict[str, float],
        progress: Progress,
    ) -> None:
        self.kind, self.url, self.records, self.total = kind, url, records, total
        self.number, self.folder, self.peers, self.progress = number, folder, peers, progress

    def rows(self) -> list[Row]:
        from vertherm.registry.database import Registry

        with Registry.create(self.url) as registry:
            steps: list[tuple[str, str | None, Callable[[Registry], Any], str]] = [
                ("import", "write", self._import, "checked, constrained, audited, sealed; one transaction"),
                ("read", "read", lambda r: r.frames(), "typed frames of one snapshot"),
                ("review", None, self._review, "read and review, without drawing the documents"),
                ("check", None, self._check, "chain, digests, live data against the audit"),
                ("freeze", None, self._freeze, "hash, data file, head"),
                ("backup", "backup", self._backup, "data, audit, seals; compressed and hashed"),
                ("restore", None, self._restore, "into a new SQLite file, hashes compared first"),
            ]
            out = [self._step(registry, *steps[0])]
            if out[0]["value"] is None:
                return out
            return out + [self._step(registry, *step) for step in steps[1:]]

    def _step(self, registry: Registry, name: str, peer: str | None, work: Callable[[Registry], Any], note: str) -> Row:
        title = f"registry {name} {self.kind} {self.number}"
        self.progress(title, 0.0)
        try:
            took = timed(lambda: work(registry))
        except (VerthermError, ImportError) as error:
            return _silent(title, str(error).splitlines()[0])
        return _row(title, self.total, took, self.peers.get(peer or ""), f"{note}; {took.seconds:.1f} s")

    def _import(self, registry: Registry) -> None:
        from vertherm.registry.importing.importer import import_records

        import_records(registry, self.records, user=_USER, why=_WHY)

    def _review(self, registry: Registry) -> None:
        from vertherm.review.build import build_review

        frames = registry.frames()
        build_review(frames, str(frames["series"]["series"].iloc[0]))

    def _check(self, registry: Registry) -> None:
        from vertherm.registry.check import check

        found = list(check(registry).findings)
        assert not found, found[:3]

    def _freeze(self, registry: Registry) -> None:
        from vertherm.registry.freeze import freeze

        freeze(registry, user=_USER, why=_WHY, folder=self.folder / f"freeze-{self.kind}")

    def _backup(self, registry: Registry) -> None:
        from vertherm.registry.backup import backup

        backup(registry, self.folder / f"{self.kind}.zip")

    def _restore(self, _registry: Registry) -> None:
        from vertherm.registry.restore import restore

        restore(self.folder / f"{self.kind}.zip", f"sqlite:///{self.folder / f'{self.kind}-restored.db'}")


def _on_server(records: Records, total: int, number: int, folder: Path, progress: Progress) -> list[Row]:
    title = f"registry postgresql {number}"
    url = os.environ.get(SERVER)
    if not url:
        return [_silent(title, f"no server named in {SERVER}")]
    try:
        with _own_database(url) as own:
            return _Contestant("postgresql", own, records, total, number, folder, {}, progress).rows()
    except VerthermError as error:
        return [_silent(title, str(error).splitlines()[0])]


@contextmanager
def _own_database(url: str) -> Iterator[str]:
    """A database of our own on the server, gone afterwards."""
    import sqlalchemy as sa

    from vertherm.registry.engine import address
    from vertherm.registry.errors import translated

    server = address(url)
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    name = f"vertherm_bench_{uuid.uuid4().hex[:12]}"
    try:
        with translated(), engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            with translated(), engine.connect() as connection:
                connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        engine.dispose()


@contextmanager
def _own_key() -> Iterator[None]:
    """A key for the registries of the benchmark, so that none is left among the user's own."""
    from vertherm.registry.key import VARIABLE

    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = secrets.token_hex(32)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
