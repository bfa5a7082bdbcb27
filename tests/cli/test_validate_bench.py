"""``vertherm validate`` and ``vertherm bench``: one document each, every case passes or says why not."""

from __future__ import annotations

import importlib
import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vertherm.cli.bench import Part
from vertherm.cli.validate import GroupName
from vertherm.validation.case import Case
from vertherm.validation.suite import MODULES, unexplained

KEYS = {"case", "quantity", "expected", "source", "got", "tolerance", "unit", "pass", "known"}
"""Of the contract; ours adds status and group."""


def test_validate_prints_one_document_and_passes(
    vertherm: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert vertherm("validate", "--json", "--only", "damage", "--only", "statistics") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert len(document["cases"]) > 30
    for case in document["cases"]:
        assert set(case) >= KEYS
        assert case["pass"] or case["known"], case
    assert {case["group"] for case in document["cases"]} == {"damage", "statistics"}


def test_validate_shows_a_table_of_100_columns(
    vertherm: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert vertherm("validate", "--only", "shaft", "--figures", str(tmp_path / "figures")) == 0
    lines = capsys.readouterr().out.splitlines()
    # A path of the machine may be longer than the table.
    assert max(len(line) for line in lines if not line.startswith(("figure:", str(tmp_path)))) <= 100
    assert "0 failed" in lines[-1]
    assert list((tmp_path / "figures").iterdir())


def test_validate_names_the_same_groups_as_the_suite() -> None:
    assert [name.value for name in GroupName] == list(MODULES)


def test_unexplained_failure_counts_and_missing_data_never_pass() -> None:
    failing = Case("a", "b", 1.0, "c", 2.0, 0.1, "K")
    known = Case("a", "b", 1.0, "c", 2.0, 0.1, "K", known="understood")
    absent = Case.not_run("a", "b", 1.0, "c", "K", "data missing")
    assert unexplained([failing, known, absent]) == [failing]
    assert not absent.passed


def test_every_part_of_the_benchmark_can_be_called() -> None:
    for part in Part:
        arguments = inspect.signature(importlib.import_module(f"vertherm.bench.{part.name}").rows).parameters
        assert {"quick", "progress"} <= set(arguments), part


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
def test_bench_prints_one_document(vertherm: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    only = [word for part in ("kernel", "margin", "statistics") for word in ("--only", part)]
    assert vertherm("bench", "--quick", "--json", *only) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"name", "value", "unit", "ratio"} <= set(document["rows"][0])
