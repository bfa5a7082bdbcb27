"""``vertherm bench``: speed beside the peers, in one run."""

from __future__ import annotations

import json

import typer


def bench(
    json_out: bool = typer.Option(False, "--json", help="Print one JSON document on stdout."),
    quick: bool = typer.Option(False, "--quick", help="Smaller grids and fewer repetitions."),
) -> int:
    """Time the kernels beside plain C OpenMP of the same formula and a memory triad. Quote ratios, not times."""
    from vertherm.bench.kernel import rows
    from vertherm.cli.progress import shown

    with shown() as progress:
        progress("benchmark", 0.0)
        found = rows(quick=quick)
        progress("benchmark", 1.0)
    if json_out:
        typer.echo(json.dumps({"schema_version": 1, "rows": found}, indent=2, allow_nan=False))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Benchmark")
    columns = list(dict.fromkeys(key for row in found for key in row))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in found:
        values = (row.get(column, "") for column in columns)
        table.add_row(*("" if v is None else f"{v:.4g}" if isinstance(v, float) else str(v) for v in values))
    Console(width=None if Console().is_terminal else 140).print(table)
    return 0
