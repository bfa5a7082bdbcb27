"""The sealing key: 32 random bytes that live outside the database.

Looked for in this order: the variable VERTHERM_REGISTRY_KEY (64 hexadecimal digits), the file that
VERTHERM_REGISTRY_KEY_FILE names, and the user's configuration folder (one file a registry).
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import platformdirs

from vertherm.core.errors import InputError

BYTES = 32
VARIABLE, FILE_VARIABLE = "VERTHERM_REGISTRY_KEY", "VERTHERM_REGISTRY_KEY_FILE"


def key_path(registry_id: str) -> Path:
    """The file in which the key of a registry belongs; its folder also keeps the exported heads."""
    if named := os.environ.get(FILE_VARIABLE):
        return Path(named).expanduser()
    folder = Path(platformdirs.user_config_dir("vertherm", appauthor=False)) / "registry-keys"
    return folder / f"{registry_id}.key"


def find_key(registry_id: str) -> bytes | None:
    """The key of a registry, None where there is none.

    Raises:
        InputError: what is there is no key.
    """
    if text := os.environ.get(VARIABLE):
        return _parse(text, VARIABLE)
    path = key_path(registry_id)
    try:
        return _parse(path.read_text("ascii"), str(path))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "The sealing key cannot be read.",
            where=str(path),
            got=str(error),
            advice="give your account the right to read this file, and no other account",
        ) from error


def need_key(registry_id: str) -> bytes:
    """The key of a registry.

    Raises:
        InputError: there is none; says where it was looked for.
    """
    found = find_key(registry_id)
    if found is None:
        raise InputError(
            "The sealing key of this registry is missing, so nothing can be written to it.",
            where=f"registry {registry_id}",
            expected=f"the key in {key_path(registry_id)}, or in {VARIABLE}, or in the file that {FILE_VARIABLE} names",
            advice="copy the key from where the registry was made or from its safe copy; without it the registry can "
            "be read, reviewed and exported, but not changed",
        )
    return found


def make_key(registry_id: str) -> bytes:
    """Make the key of a new registry, or take the one that the environment already names.

    The file is readable by its owner alone.
    """
    found = find_key(registry_id)
    if found is not None:
        return found
    key, path = secrets.token_bytes(BYTES), key_path(registry_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # O_EXCL: two programs that start at once must not each keep a key of their own.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(key.hex() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError:
        return need_key(registry_id)
    except OSError as error:
        raise InputError(
            "The sealing key cannot be written.",
            where=str(path),
            got=str(error),
            advice=f"name a file in a folder you may write to with {FILE_VARIABLE}",
        ) from error
    return key


def _parse(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != BYTES:
        # The text itself is not shown: it may be most of a key.
        raise InputError(
            "This is no sealing key.",
            where=where,
            got=f"{len(text.strip())} characters",
            expected=f"{2 * BYTES} hexadecimal digits",
            advice="copy the key again from its safe copy",
        )
    return key
