"""Points of the unit cube, reproducible from a seed."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError

Points = NDArray[np.float64]
Design = Literal["random", "latin", "sobol"]
DESIGNS: tuple[Design, ...] = ("random", "latin", "sobol")


def unit_points(count: int, dimensions: int, seed: int, design: Design = "random") -> Points:
    """Points in the unit cube, shape (count, dimensions).

    "random" points are independent: the only ones for which a tolerance bound from order statistics holds. "latin"
    (Latin hypercube) and "sobol" (scrambled) fill the cube more evenly and give better means from the same number; a
    Sobol sequence is balanced where ``count`` is a power of two.

    Args:
        count: number of points, at least 1.
        dimensions: coordinates of a point, at least 1.
        seed: the same seed gives the same points on every machine.
        design: one of :data:`DESIGNS`.

    Raises:
        InputError: a count, seed or design that cannot be used.
    """
    if count < 1 or dimensions < 1 or seed < 0:
        got = f"{count} points, {dimensions} parameters, seed {seed}"
        raise InputError("A sample of this size is impossible.", got=got, expected="at least 1, a seed of 0 or more")
    rng = np.random.Generator(np.random.PCG64(seed))
    if design == "random":
        # Filled point by point: the first points stay the same when more are asked for.
        return rng.random((count, dimensions))
    from scipy.stats import qmc

    if design == "latin":
        return np.asarray(qmc.LatinHypercube(dimensions, rng=rng).random(count))
    if design == "sobol":
        engine = qmc.Sobol(dimensions, scramble=True, bits=64, rng=rng)
        # Drawn by powers of two and cut: scipy warns otherwise, and a longer run then starts with the same points.
        return np.asarray(engine.random_base2(int(np.ceil(np.log2(count))) if count > 1 else 0))[:count]
    raise InputError("Unknown design of a sample.", got=design, expected=", ".join(DESIGNS))
