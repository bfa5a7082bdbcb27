"""Turns pydantic's findings into our kind of error."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from vertherm.core.errors import InputError

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        InputError: the file is missing, unreadable or no TOML; says the line.
    """
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"The {what} does not exist.", where=str(path), advice="check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The {what} cannot be read.", where=str(path), got=error, expected="a UTF-8 text file"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"The {what} is not valid TOML.", where=str(path), got=error, advice="correct that line"
        ) from error


def validated(model: type[Model], data: dict[str, Any], where: str) -> Model:
    """``model`` built from ``data``; every finding listed with its field, what was got and what was expected."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        findings = error.errors(include_url=False, include_context=False)
        lines = [f"{_field(f['loc'])}: {f['msg']} (got {_short(f['input'])})" for f in findings]
        raise InputError(
            f"{len(findings)} entr{'y is' if len(findings) == 1 else 'ies are'} wrong.",
            where=where,
            got="; ".join(lines),
            advice="correct the named fields; the case-file reference in the docs lists every key",
        ) from error


def _field(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "file"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
