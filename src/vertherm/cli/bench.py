"""``vertherm bench``: speed beside the peers, in one run."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import typer


class Part(StrEnum):
    """What to time."""

    kernel = "kernel"
    statistics = "statistics"
    registry = "registry"


def bench(
    parts: list[Part] = typer.Option(list(Part), "--only", help="One part; may be given several times."),
    patients: int | None = typer.Option(None, "--patients", min=10, help="Size of the registry (default 10,000)."),
    json_out: bool = typer.Option(False, "--json", help="Print one JSON document on stdout."),
    quick: bool = typer.Option(False, "--quick", help="Smaller grids and fewer repetitions."),
) -> int:
    """Time kernels, statistics and registry beside their peers, in one run. Quote ratios, not times."""
    from vertherm.cli.progress import shown

    found: list[dict[str, Any]] = []
    with shown() as progress:
        for part in dict.fromkeys(parts):
            progress(part.value, 0.0)
            if part is Part.kernel:
                from vertherm.bench.kernel import rows as kernel_rows

                found += kernel_rows(quick=quick)
            elif part is Part.statistics:
                from vertherm.bench.statistics import rows as statistics_rows

                found += statistics_rows(quick=quick)
            else:
                from vertherm.bench.registry import rows as registry_rows

                found += registry_rows(quick=quick, patients=patients, progress=progress)
            progress(part.value, 1.0)
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
