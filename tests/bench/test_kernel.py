"""The benchmark: same formulas in both languages, honest rows without a compiler."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vertherm.bench.kernel import compile_c, rows
from vertherm.bench.kernel_solver import gpu_rows

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")


@needs_gcc
def test_rows_beside_c() -> None:
    """Every row has its columns; the two codes agree to 1e-4 K and 1e-3 of CEM43 after a step."""
    found = rows(quick=True, threads=1)
    json.dumps(found, allow_nan=False)
    names = [row["name"] for row in found]
    for kind in ("vertherm stage", "c_openmp stage", "vertherm step", "c_openmp step", "triad"):
        assert any(name.startswith(kind) for name in names)
    assert {row["unit"] for row in found if row["name"].startswith("memory")} == {"GB"}
    on_card = [row for row in found if "cuda" in row["name"]]
    assert len(on_card) == 2
    for row in (row for row in found if row not in on_card):
        assert {"name", "value", "unit", "ratio"} <= set(row)
        if row["name"].startswith("difference"):
            assert row["value"] < 1e-4
            assert float(row["note"].split()[-1]) < 1e-3
        else:
            assert row["value"] > 0
    ratios = [row["ratio"] for row in found if row["name"].startswith("vertherm") and row["ratio"]]
    assert len(ratios) == 4
    assert all(ratio > 0.1 for ratio in ratios)


def test_missing_compiler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without gcc the C rows say so and ours still have numbers."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    found = rows(quick=True, threads=1)
    silent = [row for row in found if row["value"] is None and "cuda" not in row["name"]]
    assert len(silent) == 6
    assert all(row["note"].startswith("not run: no C compiler") for row in silent)
    assert all(row["value"] > 0 for row in found if row["name"].startswith(("vertherm stage", "vertherm step 4")))


@needs_gcc
def test_failing_compiler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that refuses the file: a reason, no crash."""
    monkeypatch.setattr("vertherm.bench.kernel.FLAGS", ("-no-such-flag-of-gcc",))
    found = rows(quick=True, threads=1)
    assert any(str(row.get("note", "")).startswith("not run: the C compiler failed") for row in found)


@needs_gcc
def test_loading_the_c_kernel_leaves_subnormal_numbers_alone(tmp_path: Path) -> None:
    """-ffast-math at link time would flush them to zero in the whole process."""
    library, why = compile_c(tmp_path)
    assert library is not None, why
    assert np.float64(5e-324) * np.float64(1.0) > 0.0


def test_missing_card_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an NVIDIA card the row says so."""
    from numba import cuda

    monkeypatch.setattr(cuda, "is_available", lambda: False)
    (row,) = gpu_rows(16)
    assert row["value"] is None
    assert row["note"].startswith("not run: No CUDA device")
