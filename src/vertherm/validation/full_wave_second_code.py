"""The canal beside a dipole by a second code: NGSolve, edge elements on tetrahedra fitted to the canal.

Scattered field in bone, driven by the contrast of a CSF cylinder in the closed-form dipole field, in a ball with the
first-order absorbing condition; both codes get the same ball of influence only approximately (ours ends in absorbing
layers), so the comparison stays near the canal's wall.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import EPS_0, MU_0
from vertherm.applicator.fullwave.sources import contrast_sources
from vertherm.validation import multipoles
from vertherm.validation.full_wave_cases import BONE, FLUID, FREQUENCY_HZ, LAYERS, Block
from vertherm.validation.multipoles import Array, Complex, wave_number

RADIUS_MM, CENTRE_MM, BALL_MM, LENGTH_MM = 5.0, (2.0, -4.0), 20.0, 14.0
"""Canal along z: radius, centre in x and y, length; radius of the second code's ball."""
SOURCE_MM = (0.0, 9.0, 1.0)


def installed() -> bool:
    """True where the second code can be imported."""
    return importlib.util.find_spec("ngsolve") is not None


def probes() -> Array:
    """Points in metres inside the canal, nearer to the dipole than to the canal's far wall."""
    x, y, z = np.meshgrid(
        np.arange(-1.0, 5.1, 1.0), np.arange(-7.0, -0.5, 1.0), np.arange(-4.0, 5.1, 1.5), indexing="ij"
    )
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    away = np.hypot(points[:, 0] - CENTRE_MM[0], points[:, 1] - CENTRE_MM[1])
    return np.asarray(points[away < RADIUS_MM - 1.2] * 1e-3)


def known(points: Array) -> Complex:
    """The dipole's field in bone (1 A m along y)."""
    shifted = (points - np.array(SOURCE_MM) * 1e-3)[..., [2, 0, 1]]
    return multipoles.dipole(shifted, wave_number(FREQUENCY_HZ, *BONE), FREQUENCY_HZ)[0][..., [1, 2, 0]]


@cache
def difference(spacing_mm: float = 0.5) -> float:
    """Relative L2 difference of the two scattered fields at :func:`probes`."""
    ours, theirs = yee(spacing_mm), edge_elements()
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def yee(spacing_mm: float) -> Complex:
    """Our scattered field at the probes (trilinear between edges)."""
    from scipy.ndimage import map_coordinates

    block = Block(14e-3, spacing_mm * 1e-3)

    def inside(p: Array) -> NDArray[np.bool_]:
        away = np.hypot(p[..., 0] - CENTRE_MM[0] * 1e-3, p[..., 1] - CENTRE_MM[1] * 1e-3)
        return np.asarray((away <= RADIUS_MM * 1e-3) & (np.abs(p[..., 2]) <= LENGTH_MM * 0.5e-3))

    share = block.share(inside)
    eps, sigma = (np.float32(a - b) * share for a, b in zip(FLUID, BONE, strict=True))
    sources, _ = contrast_sources(
        LAYERS, block.spacing, FREQUENCY_HZ, eps, sigma,
        lambda c, index: np.asarray(known(block.at(index, c))[:, c], np.complex64),
    )  # fmt: skip
    phasors = block.run(np.float32(BONE[0]) + eps, np.float32(BONE[1]) + sigma, sources).phasors
    points = probes()
    out = np.empty(points.shape, dtype=complex)
    for c in range(3):
        index = points / block.spacing + block.cells / 2 - 0.5 * np.eye(3)[c]
        out[:, c] = map_coordinates(phasors[c], index.T, order=1)
    return out


@cache
def edge_elements(size_mm: float = 3.0) -> Complex:
    """NGSolve's scattered field at the probes; lengths in mm inside."""
    import ngsolve as ng
    from netgen.occ import Cylinder, Glue, OCCGeometry, Pnt, Sphere, Z

    ball = Sphere(Pnt(0, 0, 0), BALL_MM)
    ball.faces.name = "outer"
    canal = Cylinder(Pnt(*CENTRE_MM, -LENGTH_MM / 2), Z, r=RADIUS_MM, h=LENGTH_MM)
    canal.faces.name = "wall"
    canal.mat("canal")
    canal.maxh = 2.0
    outer = ball - canal
    outer.mat("bone")
    mesh = ng.Mesh(OCCGeometry(Glue([outer, canal])).GenerateMesh(maxh=size_mm * 1.6))
    mesh.Curve(2)
    omega = 2 * np.pi * FREQUENCY_HZ
    eps_c = {n: e - 1j * s / (omega * EPS_0) for n, (e, s) in (("bone", BONE), ("canal", FLUID))}
    k02 = omega**2 * EPS_0 * MU_0 * 1e-6  # per mm^2
    k = np.sqrt(k02 * eps_c["bone"])
    eps = mesh.MaterialCF(eps_c)
    space = ng.HCurl(mesh, order=2, complex=True)
    u, v = space.TnT()
    form = ng.BilinearForm(space, symmetric=True)
    form += (ng.curl(u) * ng.curl(v) - k02 * eps * u * v) * ng.dx(bonus_intorder=1)
    form += 1j * k * u.Trace() * v.Trace() * ng.ds("outer")
    load = ng.LinearForm(space)
    load += k02 * (eps_c["canal"] - eps_c["bone"]) * _dipole_cf(ng, k) * v * ng.dx("canal", bonus_intorder=4)
    with ng.TaskManager():
        form.Assemble()
        load.Assemble()
        field = ng.GridFunction(space)
        field.vec.data = form.mat.Inverse(space.FreeDofs(), inverse="sparsecholesky") * load.vec
    return np.array([field(mesh(*(p * 1e3))) for p in probes()])


def _dipole_cf(ng: Any, k: complex) -> Any:
    """The closed form of ``multipoles.dipole`` along y as a coefficient function; k in 1/mm."""
    x, y, z = (axis - at for axis, at in zip((ng.x, ng.y, ng.z), SOURCE_MM, strict=True))
    r = ng.sqrt(x * x + y * y + z * z)
    kr, along = k * r, y / r
    scale = -1j * 2 * np.pi * FREQUENCY_HZ * MU_0 * ng.exp(-1j * kr) / (4 * np.pi * r * 1e-3)
    near = 1 / (1j * kr) - 1 / (kr * kr)
    radial = -along * (1 + 3 * near) / r
    return scale * ng.CoefficientFunction((x * radial, y * radial + 1 + near, z * radial))
