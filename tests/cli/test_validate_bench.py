"""``vertherm validate`` and ``vertherm bench``: one document each, every case passes or says why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from vertherm.validation.case import Case
from vertherm.validation.suite import unexplained

KEYS = {"case", "quantity", "expected", "source", "got", "tolerance", "unit", "pass", "known"}


def test_validate_prints_one_document_and_passes(
    vertherm: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert vertherm("validate", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert len(document["cases"]) > 30
    for case in document["cases"]:
        assert set(case) == KEYS
        assert case["pass"] or case["known"], case
    assert any("coaxial slot" in case["case"] for case in document["cases"])


def test_unexplained_failure_counts_and_missing_data_never_pass() -> None:
    failing = Case("a", "b", 1.0, "c", 2.0, 0.1, "K")
    known = Case("a", "b", 1.0, "c", 2.0, 0.1, "K", known="understood")
    absent = Case.not_run("a", "b", 1.0, "c", "K", "data missing")
    assert unexplained([failing, known, absent]) == [failing]
    assert not absent.passed


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
def test_bench_prints_one_document(vertherm: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert vertherm("bench", "--quick", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert {"name", "value", "unit", "ratio"} <= set(document["rows"][0])
