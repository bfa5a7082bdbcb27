"""The bioheat reference case and the order of convergence."""

from __future__ import annotations

import numpy as np
import pytest

from tests.heat.blocks import block, gaussian
from vertherm.heat.bioheat import BioheatSolver, StepLimits
from vertherm.validation.bioheat import closed_form_c, reference_errors_k

FINE = StepLimits(heating_s=1.0, change_k=1e9)


def test_reference_case() -> None:
    """Uniform, k 0.5, rho c 3.8e6, perfusion 2000 W/m3K, Gaussian source sigma 6 mm, 10 W, 270 s, 97^3 at 1 mm.

    Closed form: heat kernel of a Gaussian, sigma^2 + 2 a u, damped by exp(-W u / C), integrated over u. Largest error
    at radii 0-24 mm below 0.2 K (antennas.md); a second-order scheme gives 0.16-0.17 K, at the centre.
    """
    errors = reference_errors_k()
    assert max(errors.values()) < 0.2
    assert errors[0] > 0.1  # the discretisation's own error: a smaller one would mean the comparison is broken


def test_second_order_in_space() -> None:
    """Same physics on 60 mm at 3, 1.5 and 0.75 mm: the error at the centre falls 4-fold a halving; order 1.8-2.3."""
    errors = []
    for spacing in (3e-3, 1.5e-3, 0.75e-3):
        n = round(60e-3 / spacing)
        shape = (n, n, n)
        solver = BioheatSolver(block(shape, spacing), sensors={"centre": np.full(3, (n - 1) / 2)}, limits=FINE)
        solver.advance(60.0, gaussian(shape, 10.0, 6e-3, spacing))
        # The source is sampled at cell centres and the sensor is the mean of eight cells: compare there.
        expected = closed_form_c(np.sqrt(3.0) * spacing / 2, 60.0)
        errors.append(abs(solver.readings()["centre"] - expected))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (orders > 1.8).all()
    assert (orders < 2.3).all()


def test_second_order_in_time() -> None:
    """RKL2 against steps of 0.5 s on the same grid: 10, 5, 2.5 s; the error falls 4-fold a halving, order >= 1.8."""
    shape = (33, 33, 33)
    source = gaussian(shape, 10.0, 4e-3)

    def centre(step: float) -> float:
        limits = StepLimits(heating_s=step, change_k=1e9)
        solver = BioheatSolver(block(shape), sensors={"c": np.full(3, 16.0)}, limits=limits)
        solver.advance(40.0, source)
        return solver.readings()["c"]

    truth = centre(0.5)
    errors = [abs(centre(step) - truth) for step in (10.0, 5.0, 2.5)]
    assert np.log2(errors[0] / errors[1]) > 1.8
    assert np.log2(errors[1] / errors[2]) > 1.8


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing(threads: int) -> None:
    """The same numbers, bit for bit, with several threads."""
    shape = (24, 20, 22)
    fields = []
    for count in (1, threads):
        solver = BioheatSolver(block(shape), threads=count)
        solver.advance(20.0, gaussian(shape, 5.0, 4e-3))
        fields.append(solver.temperature_c)
    assert np.array_equal(*fields)
