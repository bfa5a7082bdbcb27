"""The command ``vertherm``: parses, runs, turns errors into messages and exit statuses."""

from __future__ import annotations

import os
import sys
import traceback

import typer

# Before numpy is loaded: its linear algebra serves small blocks here, on which threads only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from vertherm import RESEARCH_NOTICE, __version__
from vertherm.cli import (
    access,
    bench,
    calibrate,
    cement,
    demo,
    dicom_deidentify,
    dicom_in,
    dicom_options,
    dicom_out,
    dicom_send,
    monitor,
    plan,
    registry,
    registry_keep,
    registry_options,
    replan,
    review,
    sensitivity,
    simulate,
    validate,
    verify,
)
from vertherm.core.errors import VerthermError

app = typer.Typer(
    name="vertherm",
    help="Microwave ablation of spinal tumours: paths, plan, prediction, safety, follow-up, registry, review. "
    + RESEARCH_NOTICE,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("access")(access.access)
app.command("plan")(plan.plan)
app.command("cement")(cement.cement)
app.command("replan")(replan.replan)
app.command("verify")(verify.verify)
app.command("monitor")(monitor.monitor)
app.command("sensitivity")(sensitivity.sensitivity)
app.command("calibrate")(calibrate.calibrate)
app.command("validate")(validate.validate)
app.command("bench")(bench.bench)
app.command("review")(review.review)
app.add_typer(registry_options.app, name="registry")
app.add_typer(dicom_options.app, name="dicom")
# Importing these added their commands to those groups.
_GROUPS = (registry, registry_keep, dicom_deidentify, dicom_in, dicom_out, dicom_send)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status: 0 fine, 1 internal, 2 wrong input, 3 a limit is broken."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; errors become one message on stderr."""
    try:
        status = app(arguments, standalone_mode=False)
    except VerthermError as error:
        typer.echo(f"Error: {error}", err=True)
        return error.exit_code
    except KeyboardInterrupt:
        typer.echo("Stopped. Nothing half-written was left behind.", err=True)
        return 130
    except Exception as error:
        return _unexpected(error)
    return status if isinstance(status, int) else 0


def _unexpected(error: Exception) -> int:
    # Typer's own usage errors carry their message and exit code; everything else is a defect of ours.
    show = getattr(error, "show", None)
    if callable(show):
        show()
        return int(getattr(error, "exit_code", 2))
    traceback.print_exc()
    typer.echo("Internal error: please report it with the text above.", err=True)
    return 1
