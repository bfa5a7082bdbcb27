"""The chain of seals against the audit rows they cover, read once side by side."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from vertherm.core.progress import Progress
from vertherm.registry.check.heads import Head
from vertherm.registry.check.report import Findings
from vertherm.registry.check.stream import stream, words
from vertherm.registry.schema.system import AUDIT, SEAL
from vertherm.registry.seal import Seal, digest_of, mac_of, origin

_STEP = "seals"


@dataclass
class Chain:
    """State of the walk along the chain.

    Args:
        registry_id: the first seal is chained to it.
        key: None: macs are not tested.
        heads: exported heads to meet on the way.
        found: takes the findings.
    """

    registry_id: str
    key: bytes | None
    heads: Sequence[Head]
    found: Findings
    seals: int = 0
    rows: int = 0
    sealed: int = 0
    last: Seal | None = None
    forged: list[str] = field(default_factory=list)

    def walk(self, connection: sa.Connection, progress: Progress) -> None:
        """Read all seals and all audit rows in their order and compare them."""
        total = connection.execute(sa.select(sa.func.count()).select_from(SEAL)).scalar_one()
        known = {tx for (tx,) in connection.execute(sa.select(SEAL.c.tx).distinct())}
        audit = _Audit(stream(connection, sa.select(AUDIT).order_by(AUDIT.c.id)))
        for row in stream(connection, sa.select(SEAL).order_by(SEAL.c.seal_no)):
            seal = Seal(**row._mapping)
            self._link(seal)
            self._content(seal, audit, known)
            self.sealed += seal.n_rows
            self._meet(seal)
            self.last, self.seals = seal, self.seals + 1
            if self.seals % 50 == 0:
                progress(_STEP, self.seals / total)
        for row in audit.rest():
            self._unsealed(row, known)
        self.rows = audit.rows
        self._end()
        progress(_STEP, 1.0)

    def _link(self, seal: Seal) -> None:
        number = self.last.seal_no + 1 if self.last else 1
        if seal.seal_no != number:
            missing = f"seal {number}" if seal.seal_no == number + 1 else f"seals {number} to {seal.seal_no - 1}"
            self.found.add("seal", _name(seal), f"Before it, {missing} of the chain is missing: somebody deleted it.")
        previous = self.last.mac if self.last else origin(self.registry_id)
        if not hmac.compare_digest(seal.previous, previous):
            self.found.add("seal", _name(seal), "It does not follow from the seal before it: one of them was changed.")
        if self.key is not None and not hmac.compare_digest(mac_of(self.key, self.registry_id, seal), seal.mac):
            self.forged.append(_name(seal))

    def _content(self, seal: Seal, audit: _Audit, known: set[str]) -> None:
        rows = []
        for row in audit.until(seal.last_id):
            if row.id >= seal.first_id and row.tx == seal.tx:
                rows.append(row)
            else:
                self._unsealed(row, known)
        if len(rows) != seal.n_rows:
            self.found.add("audit", _name(seal), _number_differs(seal, rows))
        elif digest_of(rows) != seal.digest:
            self.found.add("audit", _name(seal), _content_differs(rows))

    def _unsealed(self, row: Any, known: set[str]) -> None:
        if row.tx is None:
            what = "The change was made past the application, by direct SQL: nobody vouches for who made it or why."
        elif row.tx in known:
            what = (
                f"The row claims to belong to transaction {row.tx}, but that one's seal does not cover it: "
                "it was inserted later, or edited."
            )
        else:
            what = f"No seal covers the transaction it claims ({row.tx}): the row is forged, or its seal was deleted."
        self.found.add("unsealed", f"{row.entity} {row.record_key}, audit row {row.id}, {words(row)}", what)

    def _meet(self, seal: Seal) -> None:
        for head in self.heads:
            if head.seal_no != seal.seal_no:
                continue
            if not hmac.compare_digest(head.mac, seal.mac) or head.audit_rows not in (-1, self.sealed):
                self.found.add(
                    "head",
                    _name(seal),
                    f"{head.source} of {head.at} knows this seal with another content: history up to it was rewritten, "
                    "or an older copy was restored and continued.",
                )

    def _end(self) -> None:
        if len(self.forged) == self.seals > 1:
            self.found.add(
                "seal",
                f"all {self.seals} seals",
                "None was made with this key: it is the key of another registry, or the whole chain was forged. "
                "Give the key this registry was made with.",
            )
        else:
            for name in self.forged:
                self.found.add("seal", name, "It was not made with the registry's key: it was forged or changed.")
        last = self.last.seal_no if self.last else 0
        for head in self.heads:
            if head.seal_no > last:
                self.found.add(
                    "head",
                    f"seal {last}",
                    f"The chain ends here, but {head.source} of {head.at} knows seal {head.seal_no}: what came after "
                    "was cut off, or an older copy of the registry was put in its place.",
                )
        if self.last is None:
            self.found.add("seal", "seal 1", "There is no seal at all, though every registry is made with one.")


class _Audit:
    """Audit rows in order of id, handed out up to a limit."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self.source, self.rows = rows, 0
        self.waiting: Any = next(rows, None)

    def until(self, last_id: int) -> Iterator[Any]:
        while self.waiting is not None and self.waiting.id <= last_id:
            yield self._take()

    def rest(self) -> Iterator[Any]:
        while self.waiting is not None:
            yield self._take()

    def _take(self) -> Any:
        taken, self.waiting = self.waiting, next(self.source, None)
        self.rows += 1
        return taken


def _name(seal: Seal) -> str:
    rows = f", audit rows {seal.first_id} to {seal.last_id}" if seal.n_rows else ""
    return f"seal {seal.seal_no} of {seal.at}{rows}"


def _number_differs(seal: Seal, rows: Sequence[Any]) -> str:
    author = f" They were written by {rows[0].who}." if rows else ""
    if len(rows) > seal.n_rows:
        return f"{seal.n_rows} rows were sealed, {len(rows)} are there: rows were inserted.{author}"
    gone = sorted(set(range(seal.first_id, seal.last_id + 1)) - {row.id for row in rows})
    which = f" (numbers {', '.join(map(str, gone[:10]))}{', ...' if len(gone) > 10 else ''})" if gone else ""
    return (
        f"{seal.n_rows} rows were sealed, {len(rows)} are there: rows were deleted or given to another "
        f"transaction{which}.{author}"
    )


def _content_differs(rows: Sequence[Any]) -> str:
    """Within one transaction all rows have the same author and reason: an odd one out gives itself away."""
    (usual, _), *_rest = Counter((row.who, row.why) for row in rows).most_common(1)
    odd = [row for row in rows if (row.who, row.why) != usual]
    unordered = [later for row, later in pairwise(rows) if later.at < row.at]
    named = "; ".join(f"row {row.id} ({row.entity} {row.record_key}, {words(row)})" for row in (odd or unordered)[:5])
    some = f"{len(rows)} rows by {usual[0]}" if len(rows) > 1 else f"row of {rows[0].entity} {rows[0].record_key}"
    suspect = f" Most likely: {named}." if named else " Findings of the kind 'history' may say which."
    return f"The content of the {some} is not what was sealed: at least one was edited or moved.{suspect}"
