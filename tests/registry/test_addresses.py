"""Addresses and names of files that a person mistypes: one message that says what it is, never a stack of calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from vertherm.core.errors import InputError
from vertherm.registry.engine import address
from vertherm.registry.snapshot_file import load_snapshot


@pytest.mark.parametrize("text", ["postgresql://", "postgresql://host/name", "postgresql:///name"])
def test_a_server_needs_a_user(text: str) -> None:
    """The driver cannot connect without one; it would fail with a TypeError."""
    with pytest.raises(InputError, match="no address of a registry") as caught:
        address(text)
    assert "postgresql://USER" in caught.value.expected


def test_a_folder_is_no_registry(tmp_path: Path) -> None:
    """The message names a file in it that would do."""
    with pytest.raises(InputError, match="a folder") as caught:
        address(str(tmp_path))
    assert str(tmp_path / "registry.db") in caught.value.advice


def test_a_freeze_that_is_not_there_is_not_called_damaged(tmp_path: Path) -> None:
    """A wrong path must not send anybody looking for a forger."""
    for path in (tmp_path / "freeze-9.jsonl.gz", tmp_path):
        with pytest.raises(InputError, match="cannot be read") as caught:
            load_snapshot(path)
        assert "Errno" not in str(caught.value)
