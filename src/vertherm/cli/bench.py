"""``vertherm bench``: speed beside the peers, in one run."""

from __future__ import annotations

import importlib
import json
from enum import StrEnum
from typing import Any

import typer

COLUMNS = ("name", "value", "unit", "ratio", "error_k", "cpu_s", "peak_mb", "note")
"""What the table shows; the JSON document holds every column."""


class Part(StrEnum):
    """What to time; each is a module of ``vertherm.bench``."""

    kernel = "kernel"
    full_wave = "full-wave"
    treatment = "treatment"
    work_precision = "work-precision"
    margin = "margin"
    registration = "registration"
    ensemble = "ensemble"
    access = "access"
    plan = "plan"
    cement = "cement"
    statistics = "statistics"
    registry = "registry"


def bench(
    parts: list[Part] = typer.Option(list(Part), "--only", help="One part; may be given several times."),
    patients: int | None = typer.Option(None, "--patients", min=10, help="Size of the registry (default 10,000)."),
    json_out: bool = typer.Option(False, "--json", help="Print one JSON document on stdout."),
    quick: bool = typer.Option(False, "--quick", help="Smaller grids and fewer repetitions."),
) -> int:
    """Time the parts beside their peers, in one run. Quote ratios, not times."""
    from vertherm.cli.progress import shown

    found: list[dict[str, Any]] = []
    with shown() as progress:
        for part in dict.fromkeys(parts):
            progress(part.value, 0.0)
            module = importlib.import_module(f"vertherm.bench.{part.name}")
            more = {"patients": patients} if part is Part.registry else {}
            found += module.rows(quick=quick, progress=progress, **more)
            progress(part.value, 1.0)
    if json_out:
        typer.echo(json.dumps({"schema_version": 1, "rows": found}, indent=2, allow_nan=False))
    else:
        _table(found)
    return 0


def _table(found: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Benchmark")
    columns = [column for column in COLUMNS if any(column in row for row in found)]
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in found:
        values = (row.get(column, "") for column in columns)
        table.add_row(*("" if v is None else f"{v:.4g}" if isinstance(v, float) else str(v) for v in values))
    Console(width=None if Console().is_terminal else 140).print(table)
