"""One vertebral body in four states: without the lesion, with it, after ablation, with cement; and their strengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.strength.compression import Compression, Ends, compress
from vertherm.cement.strength.failure import Failure, failure_load, load_centre_mm, posterior_share
from vertherm.core.errors import InputError
from vertherm.materials.bone_mechanics import ablated_mpa, cemented_mpa, lytic_mpa, modulus_mpa

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
LesionKind = Literal["lytic", "by density"]
WITHOUT_LESION, WITH_LESION, ABLATED, CEMENTED = "without lesion", "with lesion", "after ablation", "with cement"
CEMENT_FRACTION = 0.2
"""A voxel with this much cement or more is judged as cement: about a quarter of the pores of the bone."""


@dataclass(frozen=True, eq=False)
class State:
    """One state of the body.

    Args:
        name: what it is.
        modulus_mpa: (nx, ny, nz), 0 outside the body.
        bone: voxels that the failure criterion judges: body outside the lesion and outside cement.
        cement: voxels judged as cement.
    """

    name: str
    modulus_mpa: Field
    bone: Mask
    cement: Mask


@dataclass(frozen=True, eq=False)
class StateRow:
    """Strength of a state, first relative to the first state, then absolute.

    Args:
        name: of the state.
        stiffness_ratio, failure_ratio: to the first state: what the comparison is for; errors of the moduli and of the
            criterion that all states share drop out. The load by the mean strain of the whole body has the ratio of the
            stiffness: beside cement, look at both.
        stiffness_n_mm: absolute.
        failure: absolute.
        posterior_share: share of the axial force in the posterior wall at mid-height; None without such a mask.
        load_centre_mm: of the line of load at mid-height, along the grid's first and second axis.
        compression: the whole solution.
    """

    name: str
    stiffness_ratio: float
    failure_ratio: float
    stiffness_n_mm: float
    failure: Failure
    posterior_share: float | None
    load_centre_mm: tuple[float, float]
    compression: Compression


def treatment_states(
    density_g_cm3: Any,
    body: Any,
    lesion: Any,
    *,
    ablated: Any = None,
    cement_fraction: Any = None,
    cement: str | float = "cement_modulus",
    law: str = "morgan",
    lesion_kind: LesionKind = "lytic",
) -> tuple[State, ...]:
    """The states that the data allow: without and with lesion; after ablation and with cement where given.

    Args:
        density_g_cm3: apparent wet density, (nx, ny, nz).
        body: the vertebral body, bool.
        lesion: bool; only its part inside the body counts.
        ablated: bool.
        cement_fraction: share of each voxel that cement fills, 0 to 1.
        cement: "cement_modulus", "low_modulus_cement", or MPa.
        law: of the modulus (see :func:`vertherm.materials.bone_mechanics.laws`).
        lesion_kind: "lytic": soft tissue whatever the image shows; "by density": as bone, for sclerotic lesions.

    Raises:
        InputError: grids differ, an empty body, nothing but lesion, or fractions outside 0 to 1.
    """
    inside = np.asarray(body, np.bool_)
    density = _on(density_g_cm3, inside, "density").astype(np.float64)
    tumour = _on(lesion, inside, "lesion").astype(np.bool_) & inside
    healthy = inside & ~tumour
    if not healthy.any():
        raise InputError("There is no bone outside the lesion.", where="strength", expected="body beyond the lesion")
    filled = np.where(tumour, np.median(density[healthy]), density)
    with_lesion = modulus_mpa(density, law)
    if lesion_kind == "lytic":
        with_lesion = np.where(tumour, lytic_mpa(), with_lesion)
    nowhere = np.zeros_like(inside)
    states = [
        State(WITHOUT_LESION, _in(inside, modulus_mpa(filled, law)), healthy, nowhere),
        State(WITH_LESION, _in(inside, with_lesion), healthy, nowhere),
    ]
    modulus = with_lesion
    if ablated is not None:
        modulus = np.where(_on(ablated, inside, "ablated").astype(np.bool_), ablated_mpa(modulus), modulus)
        states.append(State(ABLATED, _in(inside, modulus), healthy, nowhere))
    if cement_fraction is not None:
        fraction = _on(cement_fraction, inside, "cement")
        held = inside & (fraction >= CEMENT_FRACTION)
        states.append(State(CEMENTED, _in(inside, cemented_mpa(modulus, fraction, cement)), healthy & ~held, held))
    return tuple(states)


def compare(
    states: Sequence[State],
    spacing_mm: float | tuple[float, float, float],
    posterior: Any = None,
    *,
    strain: float = 0.01,
    ends: Ends = "bonded",
    caps: bool = True,
    tolerance: float = 1e-7,
) -> tuple[StateRow, ...]:
    """Compress every state and relate it to the first.

    Args:
        states: of the same body on the same grid.
        spacing_mm: edge of the voxels.
        posterior: the posterior wall, bool (nx, ny, nz).
        strain, ends, caps, tolerance: see :func:`vertherm.cement.strength.compression.compress`.

    Raises:
        InputError: no state, or see :func:`~vertherm.cement.strength.compression.compress`.
        SolverError: no convergence.
    """
    if not states:
        raise InputError("There is nothing to compare.", where="strength", expected="one state or more")
    rows: list[StateRow] = []
    for state in states:
        result = compress(state.modulus_mpa, spacing_mm, strain=strain, caps=caps, ends=ends, tolerance=tolerance)
        first = rows[0] if rows else None
        failure = failure_load(
            result,
            state.modulus_mpa,
            bone=state.bone,
            cement=state.cement,
            reference_voxels=first.failure.bone_voxels if first else None,
        )
        rows.append(
            StateRow(
                state.name,
                result.stiffness_n_mm / (first.stiffness_n_mm if first else result.stiffness_n_mm),
                failure.load_n / (first.failure.load_n if first else failure.load_n),
                result.stiffness_n_mm,
                failure,
                None if posterior is None else posterior_share(result, posterior),
                load_centre_mm(result),
                result,
            )
        )
    return tuple(rows)


def _on(values: Any, body: Mask, name: str) -> NDArray[Any]:
    field = np.asarray(values)
    if field.shape != body.shape:
        raise InputError("A field lies on another grid.", where=name, got=field.shape, expected=f"shape {body.shape}")
    return field


def _in(body: Mask, modulus: Any) -> Field:
    return np.where(body, modulus, 0.0).astype(np.float32)
