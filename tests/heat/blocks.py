"""Simple tissue blocks and closed forms that the tests of the heat solver share."""

from __future__ import annotations

from typing import Any

import numpy as np

from vertherm.heat.problem import BioheatProblem

K, C, W = 0.5, 3.8e6, 2000.0
"""Conductivity W/mK, capacity J/m3K, perfusion W/m3K of the reference block."""


def faces(shape: tuple[int, int, int], k: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Uniform face conductivities."""
    x, y, z = (np.full(tuple(n + (a == b) for b, n in enumerate(shape)), k, np.float32) for a in range(3))
    return x, y, z


def block(shape: tuple[int, int, int], spacing_m: float = 1e-3, *, k=K, c=C, w=W, **options: Any) -> BioheatProblem:
    """A uniform block of tissue."""
    return BioheatProblem(
        spacing_m=spacing_m,
        capacity=np.full(shape, c, np.float32),
        conductivity_faces=faces(shape, k),
        perfusion=np.full(shape, w, np.float32),
        **options,
    )


def layered(k: np.ndarray, c: np.ndarray, w: np.ndarray, spacing_m: float = 1e-3, **options: Any) -> BioheatProblem:
    """Cells of given conductivity; faces take the harmonic mean, outer faces the cell's own value."""
    conductances = []
    for axis in range(3):
        pad = [(1, 1) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(k, pad, mode="edge").astype(float)
        lower = np.take(padded, range(padded.shape[axis] - 1), axis)
        upper = np.take(padded, range(1, padded.shape[axis]), axis)
        conductances.append((2 * lower * upper / np.maximum(lower + upper, 1e-30)).astype(np.float32))
    return BioheatProblem(
        spacing_m=spacing_m,
        capacity=c.astype(np.float32),
        conductivity_faces=(conductances[0], conductances[1], conductances[2]),
        perfusion=w.astype(np.float32),
        **options,
    )


def radius_m(shape: tuple[int, int, int], spacing_m: float = 1e-3) -> np.ndarray:
    """Distance of each cell centre from the centre of the block."""
    axes = [(np.arange(n) - (n - 1) / 2) * spacing_m for n in shape]
    return np.sqrt(sum(np.square(a) for a in np.meshgrid(*axes, indexing="ij")))


def gaussian(shape: tuple[int, int, int], power_w: float, sigma_m: float, spacing_m: float = 1e-3) -> np.ndarray:
    """Gaussian source of ``power_w`` around the centre, W/m3."""
    r = radius_m(shape, spacing_m)
    return (power_w * np.exp(-(r**2) / (2 * sigma_m**2)) / (2 * np.pi * sigma_m**2) ** 1.5).astype(np.float32)
