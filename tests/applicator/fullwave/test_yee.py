"""The Yee solver alone, against closed forms."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vertherm.applicator.fullwave.march import CpuMarcher, YeeProblem, _waves, march
from vertherm.applicator.fullwave.material import edge_material
from vertherm.applicator.fullwave.sources import NOTHING, Sources
from vertherm.applicator.fullwave.yee import yee_problem
from vertherm.core.errors import InputError, SolverError
from vertherm.validation import full_wave_cases as blocks
from vertherm.validation import multipoles


def small_problem(eps_r: float = 20.0, sigma: float = 0.5, n: int = 24) -> YeeProblem:
    eps, conductivity = np.full((n, n + 2, n - 1), eps_r, np.float32), np.full((n, n + 2, n - 1), sigma, np.float32)
    one = (np.array([[n // 2] * 3], np.int32), np.array([1e6], np.complex64))
    return yee_problem(
        edge_material(1e-3, eps, conductivity, None, 2.45e9), Sources((one, *NOTHING[1:]), NOTHING), 1e-3, 6, eps_r
    )


def test_dipole_order() -> None:
    # Closed form of a current element in liver, edge middles between 5 and 15 mm. Second order: 1 mm cells (a wave in
    # 18 cells) 2.3 %, 2 mm cells about four times that. An error of the time step, the curl, the loss or the
    # phasor's phase shows in the complex field.
    coarse, fine = blocks.dipole_in_liver(2.0), blocks.dipole_in_liver(1.0)
    assert fine.field < 0.03
    assert fine.square < 0.06
    assert math.log2(coarse.field / fine.field) > 1.8


def test_plane_wave_and_leak() -> None:
    # Equivalence surface: exp(-j k z) inside, nothing outside. 1 mm cells: about 1 % of dispersion over 20 mm and as
    # much leak. Any wrong sign of one of the 24 terms leaks tens of per cent.
    errors, leak = blocks.plane_wave_in_liver()
    assert errors.field < 0.02
    assert leak < 0.02


@pytest.mark.parametrize("kind", ["plane wave", "dipole"])
def test_sphere_order(kind: str) -> None:
    # Multipole series; faces in steps: first order, at least 0.8. 1 mm cells: measured 3.8 % and 6.4 % inside.
    (coarse, _), (fine, around) = blocks.sphere(kind, 2.0), blocks.sphere(kind, 1.0)
    assert math.log2(coarse.field / fine.field) > 0.8
    assert fine.field < 0.075
    assert around.field < 0.05


def test_series() -> None:
    # Small sphere: E inside = 3 / (2 + m^2) of the applied field (electrostatics; k r = 2e-2 leaves 4e-4). Sphere of
    # the host's own medium: the fields without it (1e-7: 30 terms at half the distance).
    k, k_inside = (multipoles.wave_number(2.45e9, *medium) for medium in (blocks.BONE, blocks.FLUID))
    inside = multipoles.Sphere(1e-4, k_inside, k).in_plane_wave(np.array([[0.0, 0.0, 1e-6]]))[0, 0]
    assert inside == pytest.approx(3 / (2 + (k_inside / k) ** 2), rel=1e-3)
    points = np.random.default_rng(1).uniform(-4e-3, 4e-3, (50, 3))
    none = multipoles.Sphere(7e-3, k, k)
    assert np.allclose(none.in_plane_wave(points), multipoles.plane_wave(points, k), rtol=1e-9)
    alone = multipoles.dipole(points - np.array([0, 0, 14e-3]), k, 2.45e9)[0]
    assert np.abs(none.beside_dipole(points, 14e-3, 2.45e9) - alone).max() < 1e-6 * np.abs(alone).max()


def test_absorbing_layers() -> None:
    # A dipole in fat (hardly lossy, the worst tissue) in a small and a large block: the difference 4 to 9 mm from the
    # source is what the small block's layers send back. Below 1 % (-40 dB) of the field.
    found = []
    for half_mm in (10.0, 22.0):
        block = blocks.Block(half_mm * 1e-3, 1e-3)
        middle = block.cells // 2
        one = (np.array([[middle] * 3], np.int32), np.array([1e9], np.complex64))
        steady = block.run(block.uniform(5.3), block.uniform(0.1), Sources((*NOTHING[:2], one), NOTHING))
        near = slice(middle - 9, middle + 10)
        cube = np.stack([p[near, near, near] for p in steady.phasors])
        found.append(cube)
    i, j, k = np.meshgrid(*(np.arange(-9, 10),) * 3, indexing="ij")
    far = i**2 + j**2 + k**2 >= 16
    assert np.linalg.norm((found[0] - found[1])[:, far]) < 0.01 * np.linalg.norm(found[1][:, far])


def test_threads_do_not_change_a_bit() -> None:
    # Slabs only share out the work: identical fields for 1 and 3 threads.
    fields = []
    for threads in (1, 3):
        machine = CpuMarcher(small_problem(), threads)
        steps = np.arange(60.0)
        machine.advance(_waves(steps + 0.5, 40), _waves(steps + 1, 40))
        fields.append(np.stack(machine.electric()))
        machine.close()
    assert np.abs(fields[0]).max() > 0
    assert np.array_equal(fields[0], fields[1])


def test_status_when_not_converged() -> None:
    # Three periods, two of them ramp: the phasors cannot have settled to 1e-6.
    steady = march(small_problem(), tolerance=1e-6, max_periods=4)
    assert not steady.converged
    assert steady.periods == 4
    assert steady.changes[-1] > 1e-6


def test_growth_is_an_error() -> None:
    # A time step 1.6 times the stable one must end in a typed error, not in numbers.
    problem = small_problem(sigma=0.0)
    gain = tuple(1.6 * g for g in problem.gain)
    with pytest.raises(SolverError, match="full wave"):
        march(replace(problem, gain=(gain[0], gain[1], gain[2]), courant=1.6 * problem.courant))


def test_devices() -> None:
    with pytest.raises(InputError, match="Unknown device"):
        march(small_problem(), device="abacus")
    if not _card():
        with pytest.raises(InputError, match='device = "cpu"'):
            march(small_problem(), device="cuda")


def _card() -> bool:
    from vertherm.applicator.fullwave.cuda import available

    return available()[0]


def test_card_kernels_in_the_simulator() -> None:
    # The card's kernels, run by numba's simulator in a process of its own, against the processor's on a random
    # medium with random currents on edges and faces: single precision, 1e-6 of the largest field after three steps.
    script = Path(__file__).with_name("cuda_simulated.py")
    done = subprocess.run(
        [sys.executable, str(script), "3"],
        capture_output=True, text=True, check=False, env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    worst, size = (float(x) for x in done.stdout.split())
    assert size > 0
    assert worst < 1e-6
