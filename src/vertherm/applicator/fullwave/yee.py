"""Putting a Yee problem together: material, currents, absorbing layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.fullwave.absorber import Absorber
from vertherm.applicator.fullwave.march import YeeProblem
from vertherm.applicator.fullwave.material import EdgeMaterial
from vertherm.applicator.fullwave.sources import Rows, Sources, scaled

Field = NDArray[np.float32]


def edge_permittivity(eps: Field) -> float:
    """Median permittivity of the outermost cells: what the absorbing layers are matched to."""
    faces = [eps[0], eps[-1], eps[:, 0], eps[:, -1], eps[:, :, 0], eps[:, :, -1]]
    return float(np.median(np.concatenate([face.ravel() for face in faces])))


def yee_problem(
    material: EdgeMaterial, sources: Sources, spacing_m: float, layers: int, eps_outside: float
) -> YeeProblem:
    """Material and currents as the update needs them.

    Args:
        material: edge values and time step.
        sources: currents as phasors.
        spacing_m: edge of a cell.
        layers: absorbing cells on every side.
        eps_outside: relative permittivity the layers are matched to.
    """
    decay, gain = material.factors()
    driven = scaled(sources, gain, material.courant, spacing_m)
    nodes = gain[0].shape
    x, y, z = (Absorber.along(n, layers, spacing_m, material.dt_s, eps_outside) for n in nodes)
    return YeeProblem(
        decay=decay,
        gain=gain,
        courant=material.courant,
        absorbers=(x, y, z),
        layers=layers,
        electric=Rows.pack((nodes[0], nodes[1], nodes[2]), driven.electric),
        magnetic=Rows.pack((nodes[0], nodes[1], nodes[2]), driven.magnetic),
        steps_per_period=material.steps_per_period,
    )
