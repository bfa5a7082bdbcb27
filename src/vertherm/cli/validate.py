"""``vertherm validate``: the validation table."""

from __future__ import annotations

import json
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vertherm.validation.case import Case
    from vertherm.validation.suite import Group

WIDTH = 100
STYLES = {"pass": "green", "fail": "bold red", "known": "yellow", "not run": "cyan"}


class GroupName(StrEnum):
    """A group of cases; each is a module of ``vertherm.validation``."""

    electromagnetics = "electromagnetics"
    full_wave = "full_wave"
    bioheat = "bioheat"
    phase_change = "phase_change"
    shaft = "shaft"
    protection = "protection"
    damage = "damage"
    cement = "cement"
    margin = "margin"
    registration = "registration"
    cross_code = "cross_code"
    published = "published"
    statistics = "statistics"


def validate(
    only: list[GroupName] = typer.Option([], "--only", help="One group; may be given several times."),
    figures: Path | None = typer.Option(None, "--figures", help="Folder for the groups' figures."),
    json_out: bool = typer.Option(False, "--json", help="Print one JSON document on stdout."),
) -> int:
    """Run the validation cases and show expected, got and tolerance. Exit status 1: a failure nobody has explained."""
    from vertherm.cli.progress import shown
    from vertherm.validation.suite import all_cases, document, run_all, unexplained

    with shown() as progress:
        groups = run_all(progress, only=[name.value for name in only], figures=figures)
    if json_out:
        typer.echo(json.dumps(document(groups), indent=2, allow_nan=False))
    else:
        _show(groups)
    return 1 if unexplained(all_cases(groups)) else 0


def _show(groups: tuple[Group, ...]) -> None:
    from rich.console import Console

    from vertherm.validation.suite import all_cases, counts

    console = Console(width=WIDTH, highlight=False)
    for group in groups:
        console.rule(f"[bold]{group.evidence.title}[/bold] ({group.name}, {group.wall_s:.1f} s)", align="left")
        for name, rows in groupby(group.cases, key=lambda case: case.case):
            console.print(name, style="bold", markup=False)
            console.print(_table(list(rows)))
        for figure in group.figures:
            console.print(f"figure: {figure.path}", markup=False)
    total = counts(all_cases(groups))
    seconds = sum(group.wall_s for group in groups)
    console.rule()
    console.print(
        f"{total['pass']} passed, {total['fail']} failed, {total['known']} failed and explained, "
        f"{total['not run']} not run, {seconds:.0f} s"
    )


def _table(rows: list[Case]) -> Any:
    """Rows of one case; reasons stand below the row they belong to."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    table.add_column(width=2)
    table.add_column(width=43, overflow="fold")
    for width in (12, 12, 12):
        table.add_column(width=width, justify="right", no_wrap=True)
    table.add_column(width=5, no_wrap=True)
    table.add_column(width=7, no_wrap=True)
    for case in rows:
        numbers = (_number(case.expected), _number(case.got), f"± {case.tolerance:.3g}")
        state = Text(case.status, style=STYLES[case.status])
        table.add_row("", Text(case.quantity), *numbers, case.unit, state)
        reason = case.known or case.source
        if not case.passed:
            table.add_row("", Text(f"  {reason}", style="dim"))
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"
