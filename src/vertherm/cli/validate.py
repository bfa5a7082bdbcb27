"""``vertherm validate``: the validation table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vertherm.validation.case import Case


def validate(json_out: bool = typer.Option(False, "--json", help="Print one JSON document on stdout.")) -> int:
    """Run every validation case and show expected, got and tolerance. Exit status 1: a failure nobody has explained."""
    from vertherm.cli.progress import shown
    from vertherm.validation.suite import document, run_all, unexplained

    with shown() as progress:
        cases = run_all(progress)
    if json_out:
        typer.echo(json.dumps(document(cases), indent=2, allow_nan=False))
    else:
        _table(cases)
    return 1 if unexplained(cases) else 0


def _table(cases: list[Case]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Validation", show_lines=False)
    for name in ("case", "quantity", "expected", "got", "tolerance", "unit", "result", "source"):
        table.add_column(name, overflow="fold")
    for case in cases:
        result = "pass" if case.passed else (f"KNOWN: {case.known}" if case.known else "FAIL")
        row = (case.case, case.quantity, case.expected, case.got, case.tolerance, case.unit, result, case.source)
        table.add_row(*(f"{v:.6g}" if isinstance(v, float) else str(v) for v in row))
    Console(width=None if Console().is_terminal else 160).print(table)
