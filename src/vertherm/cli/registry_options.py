"""Options and helpers that the commands of the registry share."""

from __future__ import annotations

import getpass
import os
from enum import StrEnum

import typer

app = typer.Typer(
    help="The registry: patients, lesions, procedures, follow-up, with an audit of every change.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
BROKEN = 3

DB = typer.Option(
    None,
    "--db",
    envvar="VERTHERM_DB",
    help="SQLite file or postgresql:// address; default: a file in the user's data folder.",
)
USER = typer.Option(None, "--user", help="Who does it; default: VERTHERM_USER, else the name of the account.")
WHY = typer.Option("", "--why", help="Reason for the audit trail.")
SERIES = typer.Option(None, "--series", help="One series; default: all.")


class Format(StrEnum):
    """Exchange formats."""

    csv = "csv"
    xlsx = "xlsx"
    redcap = "redcap"
    json = "json"


class Level(StrEnum):
    """How much an export may say."""

    none = "none"
    deidentified = "deidentified"
    full = "full"


def user_name(name: str | None) -> str:
    """Who is named in the audit trail."""
    return name or os.environ.get("VERTHERM_USER") or getpass.getuser()


def counted(number: int, noun: str) -> str:
    """A count with its noun: 1 finding, 2 findings."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
