"""Problems of an import: one for every cell, row or file that cannot be taken, all of them at once."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from vertherm.core.errors import InputError
from vertherm.core.files import atomic_path
from vertherm.registry.guard import guarded

SHOWN = 20
"""Problems that the message lists."""
MOST = 100_000
"""Problems that are kept; further ones are only counted."""
_LONGEST_VALUE = 80


@dataclass(frozen=True)
class Problem:
    """One thing that has to be put right before the import can be done.

    Args:
        file: file it was found in.
        table: entity or sheet, empty where it concerns the whole file.
        row: row as a person counts it: the spreadsheet's row with the heading as row 1; in JSON the number of the
            object in its list, from 1; 0 where it concerns no single row.
        column: heading of the column as it stands in the file, empty where it concerns none.
        value: what stands there, shortened.
        reason: what is wrong.
        remedy: what to do.
        kind: short name of the kind of problem, for filters and tests.
    """

    file: str
    table: str
    row: int
    column: str
    value: str
    reason: str
    remedy: str
    kind: str = ""

    def line(self) -> str:
        """The problem as one line of text."""
        place = ", ".join(
            part
            for part in (self.file, self.table, f"row {self.row}" if self.row else "", self.column and f"{self.column}")
            if part
        )
        got = f" (got {self.value!r})" if self.value else ""
        return f"{place}: {self.reason}{got}; {self.remedy}"


class Problems:
    """Collects problems; keeps the first :data:`MOST` and counts the rest."""

    def __init__(self) -> None:
        self.items: list[Problem] = []
        self.count = 0

    def add(
        self,
        kind: str,
        reason: str,
        remedy: str,
        *,
        file: str,
        table: str = "",
        row: int = 0,
        column: str = "",
        value: object = "",
    ) -> None:
        """Add one problem."""
        self.count += 1
        if len(self.items) < MOST:
            self.items.append(Problem(file, table, row, column, shortened(value), reason, remedy, kind))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add problems that are already made."""
        for problem in problems:
            self.count += 1
            if len(self.items) < MOST:
                self.items.append(problem)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.items)

    def sorted(self) -> list[Problem]:
        """Problems by file, table, row and column."""
        return sorted(self.items, key=lambda item: (item.file, item.table, item.row, item.column, item.kind))


class ImportProblems(InputError):  # noqa: N818
    """The import cannot be done; nothing was imported. ``problems`` holds every problem, ``count`` their number."""

    def __init__(self, problems: Iterable[Problem], where: str = "", count: int | None = None) -> None:
        self.problems = tuple(problems)
        self.count = len(self.problems) if count is None else count
        listed = "".join(f"\n    {problem.line()}" for problem in self.problems[:SHOWN])
        more = f"\n    ... and {self.count - SHOWN} more" if self.count > SHOWN else ""
        super().__init__(
            f"The import has {self.count} problem{'' if self.count == 1 else 's'}; nothing was imported.",
            where=where,
            got=listed + more,
            expected="records that agree with the data dictionary and with each other",
            advice="put right what is listed and import again; --problems FILE writes the whole list as a table",
        )

    def kinds(self) -> dict[str, int]:
        """Number of problems by kind, the most frequent first."""
        return dict(Counter(problem.kind for problem in self.problems).most_common())

    def __reduce__(self) -> tuple[object, ...]:
        return (ImportProblems, (self.problems, self.where, self.count))


def problems_csv(problems: Iterable[Problem], path: Path | None = None) -> str:
    """All problems as a CSV table with a heading, also written to ``path``; cells cannot act as formulas.

    Raises:
        InputError: the file cannot be written.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([item.name for item in fields(Problem)])
    for problem in problems:
        writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in astuple(problem)])
    if path is not None:
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(stream.getvalue(), "utf-8")
    return stream.getvalue()


def shortened(value: object) -> str:
    """A value for a message: at most 80 characters, control characters made visible."""
    text = "" if value is None else str(value)
    if len(text) > _LONGEST_VALUE:
        text = text[: _LONGEST_VALUE - 1] + "…"
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
