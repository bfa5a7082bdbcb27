"""Simple blocks of tissue that the heat cases share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.heat.problem import BioheatProblem, Field

Shape = tuple[int, int, int]


def faces(shape: Shape, conductivity: float) -> tuple[Field, Field, Field]:
    """The same conductivity in W/mK on all faces of a grid of ``shape`` cells."""
    x, y, z = (np.full(tuple(n + (a == b) for b, n in enumerate(shape)), conductivity, np.float32) for a in range(3))
    return x, y, z


def uniform(shape: Shape, spacing_m: float, *, k: float, c: float, w: float = 0.0, **options: Any) -> BioheatProblem:
    """A block of one tissue: ``k`` in W/mK, ``c`` in J/m3K, ``w`` in W/m3K; ``options`` go to the problem."""
    options.setdefault("conductivity_faces", faces(shape, k))
    return BioheatProblem(
        spacing_m=spacing_m,
        capacity=np.full(shape, c, np.float32),
        perfusion=np.full(shape, w, np.float32),
        **options,
    )


def centres_m(shape: Shape, spacing_m: float) -> tuple[NDArray[np.float64], ...]:
    """Coordinates of the cell centres from the middle of the grid, as three arrays that broadcast to ``shape``."""
    axes = [(np.arange(n) - (n - 1) / 2) * spacing_m for n in shape]
    return tuple(np.meshgrid(*axes, indexing="ij", sparse=True))


def radius_m(shape: Shape, spacing_m: float) -> NDArray[np.float64]:
    """Distance of the cell centres from the middle of the grid, shape ``shape``."""
    x, y, z = centres_m(shape, spacing_m)
    return np.asarray(np.sqrt(x**2 + y**2 + z**2))
