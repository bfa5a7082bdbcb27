"""The CUDA engine without a card: its kernels in numba's simulator against the CPU, and compiled for two cards.

It has never run on a graphics card: what these tests show is that the formulas are the same and that they compile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.heat.blocks import block
from vertherm.core.errors import InputError
from vertherm.heat.bioheat import BioheatSolver

ROOT = Path(__file__).parents[2]


def _script(*what: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.heat.gpu_script", *what],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_simulated_card_equals_the_processor() -> None:
    """6 x 5 x 7 cells, boiling, a sink, a shaft whose coolant stops, perfusion that stops, other conductivities.

    Same number of steps; every field, reading and column of the ledger to 2e-5 of its size (float32 sums in another
    order; doses multiply the temperature's rounding by their steepness, 0.25 a degree).
    """
    done = _script("compare", NUMBA_ENABLE_CUDASIM="1")
    assert done.returncode == 0, done.stderr[-2000:]
    rows = {line.split()[0]: tuple(map(float, line.split()[1:])) for line in done.stdout.splitlines()}
    assert rows["latent_fraction_max"][1] > 0.05
    assert rows["omega"][1] > 1.0
    assert rows["shaft_source_j"][1] > 0.1
    assert abs(rows["held_j"][1]) > 0.1
    for name, (difference, _) in rows.items():
        assert difference < 2e-5, name


@pytest.mark.parametrize("capability", [("8", "0"), ("9", "0")])
def test_kernels_compile_for_cards(capability: tuple[str, str]) -> None:
    """PTX for sm_80 and sm_90, all 14 kernels. Needs NVVM of a CUDA toolkit, which Vertherm does not install."""
    pytest.importorskip("numba.cuda")
    probe = "from numba.cuda.cudadrv.nvvm import NVVM; NVVM()"
    if subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode:
        pytest.skip("no NVVM (CUDA toolkit) on this machine")
    done = _script("compile", *capability, NUMBA_ENABLE_CUDASIM="0")
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 14


def test_unknown_device_is_refused() -> None:
    """A name that is no device, with the ones there are."""
    with pytest.raises(InputError, match="cpu or cuda"):
        BioheatSolver(block((3, 3, 3)), device="tpu")


def test_missing_card_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """No device: what to do instead."""
    from numba import cuda

    monkeypatch.setattr(cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"vertherm\[gpu\]"):
        BioheatSolver(block((3, 3, 3)), device="cuda")


def test_broken_driver_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a driver raises becomes a clear message."""
    from numba import cuda

    def broken() -> bool:
        raise RuntimeError("driver and library do not match")

    monkeypatch.setattr(cuda, "is_available", broken)
    with pytest.raises(InputError, match="do not match"):
        BioheatSolver(block((3, 3, 3)), device="cuda")
    assert np.isfinite(BioheatSolver(block((3, 3, 3))).hottest_c)
