"""The key of pseudonyms, UIDs and shifts: 32 random bytes, as 64 hexadecimal digits in a file or a variable."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from vertherm.core.errors import InputError

BYTES = 32
VARIABLE = "VERTHERM_DEIDENTIFY_KEY"


def load_key(path: Path | None) -> bytes:
    """The key from a file, or from the variable VERTHERM_DEIDENTIFY_KEY where no file is named.

    Raises:
        InputError: there is none, or what is there is no key.
    """
    if path is None:
        text = os.environ.get(VARIABLE)
        if not text:
            raise InputError(
                "A key is needed.",
                expected=f"--key FILE, or the variable {VARIABLE}",
                advice="make one with --new-key --key FILE, and keep it apart from the output",
            )
        return _parse(text, VARIABLE)
    try:
        return _parse(path.read_text("ascii"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "The key cannot be read.",
            where=str(path),
            got=getattr(error, "strerror", None) or type(error).__name__,
            expected=f"a file with {2 * BYTES} hexadecimal digits",
            advice="name the right file, or make a new key with --new-key",
        ) from error


def make_key(path: Path) -> bytes:
    """Make a new key in a file that only its owner can read. An existing file is never replaced.

    Raises:
        InputError: the file exists or cannot be written.
    """
    key = secrets.token_bytes(BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(key.hex() + "\n")
    except FileExistsError as error:
        raise InputError(
            "There is a key already: a new one would give other pseudonyms.",
            where=str(path),
            advice="leave --new-key out, or name another file",
        ) from error
    except OSError as error:
        raise InputError("The key cannot be written.", where=str(path), got=str(error.strerror)) from error
    return key


def _parse(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != BYTES:
        # The text itself is not shown: it may be most of a key.
        raise InputError(
            "This is no key.",
            where=where,
            got=f"{len(text.strip())} characters",
            expected=f"{2 * BYTES} hexadecimal digits",
        )
    return key
