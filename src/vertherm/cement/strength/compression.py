"""Axial compression between two plates: stiffness, force, effective strain and axial stress of every voxel.

The third axis of the grid is the axis of loading. The lowest plane of nodes rests, the highest is pushed down; on both,

    "bonded"         lateral displacement is held, as by bone cement that both ends of a specimen are cast in
    "frictionless"   lateral displacement is free; the rigid motion left over is taken out afterwards
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.strength.elements import FloatArray, elasticity, strain_matrix, unit_stiffness
from vertherm.cement.strength.system import System, solve
from vertherm.core.errors import InputError
from vertherm.materials.bone_mechanics import mechanics_constant

Ends = Literal["bonded", "frictionless"]
Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
SPECK_SHARE = 0.01
"""A part with fewer of the voxels than this does not decide where the body ends."""
DEEPEST_CAP = 0.3
"""Share of the height: a column that ends deeper below a plane is an overhang, not the hollow of an endplate."""


@dataclass(frozen=True, eq=False)
class Compression:
    """A body under axial compression; fields on the grid that was given, linear in the applied strain.

    Args:
        stiffness_n_mm: axial reaction force over the displacement of the upper plane, caps included.
        force_n: at the applied strain, compression positive.
        displacement_mm: nodal, (nx + 1, ny + 1, nz + 1, 3); 0 where no element is.
        effective_strain: sqrt(2 U / E), U the mean density of strain energy of the voxel; 0 where it is void.
        axial_stress_mpa: mean of the voxel, compression positive.
        solid: voxels of the body that carry, without caps.
        cap: voxels that were added to make both ends flat.
        spacing_mm: edge of a voxel.
        strain: applied, of the whole height.
        ends: "bonded" or "frictionless".
        statistics: iterations, residual (relative), wall_s, elements, dof, cap_voxels, removed_voxels.
    """

    stiffness_n_mm: float
    force_n: float
    displacement_mm: Field
    effective_strain: Field
    axial_stress_mpa: Field
    solid: Mask
    cap: Mask
    spacing_mm: float
    strain: float
    ends: Ends
    statistics: dict[str, float]


def compress(
    modulus_mpa: Any,
    spacing_mm: float | tuple[float, float, float],
    *,
    strain: float = 0.01,
    poisson: float = 0.3,
    caps: bool = True,
    ends: Ends = "bonded",
    tolerance: float = 1e-7,
) -> Compression:
    """Compress a body of voxels along the third axis of its grid.

    Args:
        modulus_mpa: shape (nx, ny, nz), MPa; 0 where there is nothing.
        spacing_mm: edge of the cubic voxels.
        strain: displacement of the upper plane over the height between both planes.
        poisson: Poisson ratio of every voxel, within -0.9 to 0.45 (the element locks near 0.5).
        caps: fill the hollows between the ends and the planes through their outermost voxels with bone cement.
        ends: how both planes hold the body laterally.
        tolerance: relative residual of the iteration; the displacement's error was up to 60 times that of its
            largest value, the force's far below.

    Raises:
        InputError: bad modulus, spacing, strain or ratio; or nothing connects both planes.
        SolverError: no convergence.

    Source: voxel finite elements after Keyak 1990 and van Rietbergen 1995 (recalled); formulas in
        docs/theory/cement-strength.md.
    """
    modulus = _checked(modulus_mpa)
    edge = _edge(spacing_mm)
    _check_load(strain, poisson, ends)
    body, cap = _between_planes(modulus > 0, caps)
    whole = np.where(body, modulus, np.where(cap, mechanics_constant("cap_modulus").value, 0.0))
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(whole))
    system = System(np.ascontiguousarray(whole[box]), edge, poisson)
    push_mm = strain * edge * system.shape[2]
    fixed, given = _plates(system, push_mm, ends)
    displacement, iteration = solve(system, fixed, given, tolerance=tolerance)
    if ends == "frictionless":
        displacement = without_rigid_motion(system, displacement)
    # Twice the strain energy over the push is the force, and its error is that of the displacement squared.
    force = float(np.vdot(displacement, system.forces(displacement))) / push_mm
    effective, stress = _element_fields(system, displacement)
    removed = int(np.count_nonzero((modulus > 0) & ~body))
    counts = _counts(system, fixed) | {"cap_voxels": int(cap.sum()), "removed_voxels": removed}
    return Compression(
        force / push_mm,
        force,
        _nodal_on_grid(displacement, box, modulus.shape),
        _on_grid(effective, system, box, modulus.shape),
        _on_grid(stress, system, box, modulus.shape),
        body,
        cap,
        edge,
        strain,
        ends,
        vars(iteration) | counts,
    )


def _checked(modulus_mpa: Any) -> FloatArray:
    modulus = np.asarray(modulus_mpa, np.float64)
    if modulus.ndim != 3 or not np.isfinite(modulus).all() or (modulus < 0).any():
        raise InputError(
            "The moduli cannot be used.",
            where="compression",
            got=f"shape {modulus.shape}, {np.count_nonzero(~(modulus >= 0))} negative or not a number",
            expected="a block of finite values in MPa, 0 where there is nothing",
        )
    return modulus


def _edge(spacing_mm: float | tuple[float, float, float]) -> float:
    spacing = np.broadcast_to(np.asarray(spacing_mm, np.float64), 3)
    if not (np.all(spacing > 0) and np.allclose(spacing, spacing[0], rtol=1e-3)):
        raise InputError(
            "The voxels are not cubes.",
            where="compression",
            got=f"edges {spacing.tolist()} mm",
            expected="three equal edges above 0",
            advice="resample to cubes first",
        )
    return float(spacing[0])


def _check_load(strain: float, poisson: float, ends: str) -> None:
    good = np.isfinite(strain) and strain > 0 and -0.9 <= poisson <= 0.45 and ends in ("bonded", "frictionless")
    if not good:
        raise InputError(
            "The compression is not defined.",
            where="compression",
            got=f"strain {strain}, Poisson ratio {poisson}, ends {ends!r}",
            expected="strain above 0 (compression), ratio -0.9 to 0.45, ends bonded or frictionless",
        )


def _between_planes(solid: Mask, caps: bool) -> tuple[Mask, Mask]:
    """The voxels that carry from one plane to the other, and the caps."""
    from scipy.ndimage import label

    # By faces: voxels that share only an edge or a corner would be hinges without any stiffness.
    parts, _ = label(solid)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    layers = np.flatnonzero((sizes[parts] >= max(1.0, SPECK_SHARE * sizes.sum())).any(axis=(0, 1)))
    if not len(layers):
        raise _nothing_connects("no voxel with a modulus above 0")
    low, high = int(layers[0]), int(layers[-1])
    held = solid & (np.arange(solid.shape[2]) >= low) & (np.arange(solid.shape[2]) <= high)
    cap = _caps(held, low, high) if caps else np.zeros_like(solid)
    parts, _ = label(held | cap)
    through = np.intersect1d(parts[:, :, low], parts[:, :, high])
    kept = np.isin(parts, through[through > 0])
    if not kept.any():
        raise _nothing_connects(f"a gap between layers {low} and {high}")
    return held & kept, cap & kept


def _nothing_connects(got: str) -> InputError:
    return InputError(
        "Nothing connects both ends of the body.",
        where="compression",
        got=got,
        expected="voxels that touch by their faces from the lowest to the highest layer",
        advice="check the mask of the body; give void-like tissue a small modulus instead of 0",
    )


def _caps(solid: Mask, low: int, high: int) -> Mask:
    """Empty voxels above the highest and below the lowest voxel of a column, where a plane is near."""
    k = np.arange(solid.shape[2])
    column = np.asarray(solid.any(axis=2))[:, :, None]
    top = np.where(solid, k, -1).max(axis=2)[:, :, None]
    bottom = np.where(solid, k, solid.shape[2]).min(axis=2)[:, :, None]
    deepest = DEEPEST_CAP * (high - low + 1)
    above = (k > top) & (k <= high) & (high - top <= deepest)
    below = (k < bottom) & (k >= low) & (bottom - low <= deepest)
    out: Mask = column & (above | below)
    return out


def _plates(system: System, push_mm: float, ends: Ends) -> tuple[Mask, FloatArray]:
    """Where displacement is given, and it; elsewhere uniform compression to start from."""
    fixed = np.zeros(system.nodal, np.bool_)
    held = slice(None) if ends == "bonded" else slice(2, 3)
    fixed[:, :, 0, held] = True
    fixed[:, :, -1, held] = True
    given = np.zeros(system.nodal)
    given[..., 2] = -np.linspace(0.0, push_mm, system.nodal[2])
    return fixed, given


def _touched(system: System) -> Mask:
    """Nodes that an element has."""
    out = np.zeros(system.nodal[:3], np.bool_)
    nx, ny, nz = system.shape
    for a in range(8):
        i, j, k = a // 4, a // 2 % 2, a % 2
        out[i : i + nx, j : j + ny, k : k + nz] |= system.modulus_mpa > 0
    return out


def _counts(system: System, fixed: Mask) -> dict[str, float]:
    """Elements and free unknowns."""
    touched = _touched(system)[..., None]
    return {"elements": len(system.base), "dof": int(np.count_nonzero(touched & ~fixed))}


def without_rigid_motion(system: System, displacement_mm: FloatArray) -> FloatArray:
    """The displacement (nodes..., 3) without its mean lateral part and its mean turn about the axis.

    Both by least squares over the nodes that an element has: without friction nothing else decides them.
    """
    touched = _touched(system)
    place = np.argwhere(touched)[:, :2].astype(np.float64)
    place -= place.mean(axis=0)
    out = displacement_mm.copy()
    moved = out[touched]
    moved[:, :2] -= moved[:, :2].mean(axis=0)
    spin = np.sum(place[:, 0] * moved[:, 1] - place[:, 1] * moved[:, 0]) / np.sum(place**2)
    moved[:, 0] += spin * place[:, 1]
    moved[:, 1] -= spin * place[:, 0]
    out[touched] = moved
    return out


def _element_fields(system: System, displacement_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Effective strain and axial stress (MPa, compression positive) of each element."""
    local = system.element_displacements(displacement_mm) / system.spacing_mm
    energy = np.einsum("ni,ni->n", local @ unit_stiffness(system.poisson), local)
    # The mean of a derivative of a trilinear function over the cube is its value at the centre.
    axial = (elasticity(system.poisson) @ strain_matrix((0.5, 0.5, 0.5)))[2]
    modulus = system.modulus_mpa[system.modulus_mpa > 0]
    return np.sqrt(np.maximum(energy, 0.0)), -modulus * (local @ axial)


def _on_grid(values: FloatArray, system: System, box: tuple[slice, ...], shape: tuple[int, ...]) -> Field:
    inner = np.zeros(system.shape, np.float32)
    inner[system.modulus_mpa > 0] = values
    out = np.zeros(shape, np.float32)
    out[box] = inner
    return out


def _nodal_on_grid(values: FloatArray, box: tuple[slice, ...], shape: tuple[int, ...]) -> Field:
    out = np.zeros((*(n + 1 for n in shape), 3), np.float32)
    out[tuple(slice(part.start, part.stop + 1) for part in box)] = values
    return out
