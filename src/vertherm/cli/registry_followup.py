"""Options, reading and words of ``vertherm registry record-followup`` and ``devices``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vertherm.core.errors import InputError

if TYPE_CHECKING:
    from vertherm.registry.verification import Recorded
    from vertherm.review.devices import DeviceRow


def numbers(options: Iterable[str], option: str) -> dict[str, int]:
    """Number by name from ``NAME=NUMBER``; the last ``=`` parts them.

    Raises:
        InputError: an option of another form, or a name twice.
    """
    found: dict[str, int] = {}
    for text in options:
        name, sign, number = (part.strip() for part in text.rpartition("="))
        if not sign or not name or not number.isascii() or not number.isdigit():
            raise InputError("This option cannot be read.", where=option, got=text, expected="NAME=NUMBER")
        if name in found:
            raise InputError("The same name is given twice.", where=option, got=name)
        found[name] = int(number)
    return found


def answers(options: Iterable[str]) -> dict[tuple[str, str], tuple[str, str, str]]:
    """(criterion, response, progression) by (examination, target).

    Raises:
        InputError: an option of another form, an unknown code, or the same examination and target twice.
    """
    from vertherm.clinical import grades
    from vertherm.clinical.vocabularies import PROGRESSION

    allowed = (grades.CRITERION.codes, ("", *grades.RESPONSE.codes), PROGRESSION.codes)
    found: dict[tuple[str, str], tuple[str, str, str]] = {}
    for text in options:
        place, sign, stated = text.rpartition("=")
        examination, colon, target = (part.strip() for part in place.rpartition(":"))
        codes = tuple(part.strip().lower() for part in stated.split(","))
        if not (sign and colon and examination and target) or len(codes) != 3:
            raise InputError(
                "This response cannot be read.",
                where="--response",
                got=text,
                expected="EXAMINATION:TARGET=CRITERION,RESPONSE,PROGRESSION, for instance '24 h:target=mda,sd,no'",
            )
        for code, known in zip(codes, allowed, strict=True):
            if code not in known:
                expected = "one of " + ", ".join(filter(None, known))
                raise InputError("This response is not known.", where="--response", got=code, expected=expected)
        if (examination, target) in found:
            raise InputError("Two responses of one lesion at one examination.", where="--response", got=place)
        found[examination, target] = (codes[0], codes[1], codes[2])
    return found


def read_document(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    try:
        document = json.loads(path.read_text("utf-8"), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            "The verification cannot be read.",
            where=str(path),
            got=f"{type(error).__name__}: {error}",
            expected="verify.json as `vertherm verify` writes it",
        ) from error
    if not isinstance(document, dict):
        raise InputError("This is no verification.", where=str(path), got=type(document).__name__)
    return document


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number")


def tell(done: Recorded) -> None:
    """What was recorded, in a few lines."""
    for name, number in done.examinations.items():
        typer.echo(f"{name}: examination {number}")
    for name in dict.fromkeys([*done.inserted, *done.updated, *done.unchanged]):
        typer.echo(
            f"{name}: {done.inserted.get(name, 0)} new, {done.updated.get(name, 0)} changed, "
            f"{done.unchanged.get(name, 0)} as before"
        )
    for note in done.notes:
        typer.echo(f"Note: {note}")


def write_devices(rows: list[DeviceRow], path: Path) -> None:
    """The record of devices as CSV or JSON, by the ending of the name.

    Raises:
        InputError: another ending.
    """
    from vertherm.core.files import atomic_path
    from vertherm.review.devices import device_csv, device_json

    writers = {".csv": device_csv, ".json": device_json}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise InputError("This ending is not known.", where=str(path), got=path.suffix, expected=", ".join(writers))
    with atomic_path(path) as temporary:
        temporary.write_text(write(rows), "utf-8")
