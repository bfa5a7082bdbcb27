"""Two bioheat problems that every contestant solves: a homogeneous one with a closed form, a vertebra with shut-down.

The vertebra is a body of revolution, so that an axisymmetric code of its own can be the third reference; its axis is
turned and shifted against the voxel grid, so that no surface lies on voxel faces. Coordinates in mm; world: the box of
the heat grid, centre 0; axis frame: r from the axis, z along it. Later solids cover earlier ones.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
ARTERIAL_C = 37.0
"""Start, arterial blood and the faces of the box, degC."""


@dataclass(frozen=True)
class Material:
    """Constants of one tissue: W/mK, J/m3K, W/m3K; ``damaged``: its perfusion stops at omega 1."""

    name: str
    conductivity: float
    capacity: float
    perfusion: float
    damaged: bool


@dataclass(frozen=True)
class Ball:
    """Ball on the axis; mm."""

    material: Material
    z: float
    radius: float

    def contains(self, r: ArrayLike, z: ArrayLike) -> NDArray[np.bool_]:
        """True inside; arguments of any shape."""
        return np.asarray(np.hypot(np.asarray(r), np.asarray(z) - self.z) < self.radius)


@dataclass(frozen=True)
class Tube:
    """Cylinder (``inner`` 0) or ring around the axis; mm."""

    material: Material
    inner: float
    outer: float
    low: float
    high: float

    def contains(self, r: ArrayLike, z: ArrayLike) -> NDArray[np.bool_]:
        """True inside; arguments of any shape."""
        r, z = np.asarray(r), np.asarray(z)
        return np.asarray((r >= self.inner) & (r < self.outer) & (z > self.low) & (z < self.high))


Solid = Ball | Tube


@dataclass(frozen=True)
class Arrhenius:
    """Rate exp(ln_a - ea / (R T)), zero below ``from_c``; ``slope_k`` is ea / R."""

    ln_a: float
    slope_k: float
    from_c: float


@dataclass(frozen=True)
class Problem:
    """Everything a contestant may know.

    Args:
        name: for tables.
        background: material outside all solids.
        solids: later ones cover earlier ones.
        half_width_mm: half edge of the box, whose faces stay at 37 degC.
        centre_mm: world point of the axis frame's origin, also the centre of the Gaussian source.
        axis: world direction of the axis (any length).
        sigma_mm, power_w: the source, a Gaussian of that width and total.
        heating_s: source on from 0 to here.
        times_s: when temperatures are compared; the last ends the run.
        probes: (r, z, azimuth in degrees) where temperatures are compared.
        arrhenius: damage law that stops perfusion at omega 1; None: perfusion is constant.
    """

    name: str
    background: Material
    solids: tuple[Solid, ...]
    half_width_mm: float
    centre_mm: tuple[float, float, float]
    axis: tuple[float, float, float]
    sigma_mm: float
    power_w: float
    heating_s: float
    times_s: tuple[float, ...]
    probes: tuple[tuple[float, float, float], ...]
    arrhenius: Arrhenius | None

    @property
    def materials(self) -> tuple[Material, ...]:
        """Background first, then that of each solid."""
        return (self.background, *(solid.material for solid in self.solids))

    @property
    def frame(self) -> Floats:
        """(3, 3), rows: the world directions of the axis frame's x, y and z."""
        z = np.asarray(self.axis, dtype=np.float64)
        z = z / np.linalg.norm(z)
        x = np.cross([0.0, 1.0, 0.0], z)
        x /= np.linalg.norm(x)
        return np.stack([x, np.cross(z, x), z])

    @property
    def probes_mm(self) -> Floats:
        """World points of the probes, shape (n, 3)."""
        r, z, turn = np.array(self.probes).T
        angle = np.radians(turn)
        local = np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=1)
        return np.asarray(self.centre_mm) + local @ self.frame

    def region(self, r: ArrayLike, z: ArrayLike) -> NDArray[np.uint8]:
        """Index into :attr:`materials` at points of the axis frame."""
        out = np.zeros(np.broadcast(np.asarray(r), np.asarray(z)).shape, np.uint8)
        for number, solid in enumerate(self.solids, start=1):
            out[solid.contains(r, z)] = number
        return out

    def source_w_m3(self, distance_mm: ArrayLike) -> Floats:
        """Source at a distance from its centre."""
        sigma = self.sigma_mm * 1e-3
        peak = self.power_w / (2 * math.pi * sigma**2) ** 1.5
        return np.asarray(peak * np.exp(-0.5 * (np.asarray(distance_mm) / self.sigma_mm) ** 2))

    def as_dict(self) -> dict[str, Any]:
        """Every number, to tell whether a stored reference belongs to this problem."""
        return asdict(self)


def homogeneous() -> Problem:
    """The bioheat reference case: closed form known; 97 mm box, Gaussian source of 6 mm and 10 W, 270 s."""
    tissue = Material("uniform", 0.5, 3.8e6, 2000.0, damaged=False)
    probes = tuple((float(r), 0.0, 40.0 * n) for n, r in enumerate((0, 4, 8, 12, 16, 20, 24)))
    return Problem(
        "homogeneous", tissue, (), 48.5, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0), 6.0, 10.0, 270.0, (90.0, 270.0),
        (*probes, (0.0, 6.0, 0.0), (0.0, 10.0, 0.0)), None,
    )  # fmt: skip


def closed_form_c(problem: Problem) -> Floats:
    """Temperature in degC of the homogeneous problem, shape (times, probes), in an unbounded medium, while it heats.

    T = Ta + P/C int_0^t exp(-W u / C) exp(-d^2 / 2 s^2) / (2 pi s^2)^(3/2) du, s^2 = sigma^2 + 2 (k/C) u, by
    quadrature.
    """
    from scipy.integrate import quad

    tissue = problem.background
    diffusivity, loss = tissue.conductivity / tissue.capacity, tissue.perfusion / tissue.capacity

    def rise(distance_m: float, time_s: float) -> float:
        def impulse(age: float) -> float:
            variance = (problem.sigma_mm * 1e-3) ** 2 + 2 * diffusivity * age
            spread = math.exp(-(distance_m**2) / (2 * variance)) / (2 * math.pi * variance) ** 1.5
            return math.exp(-loss * age) * spread

        return problem.power_w / tissue.capacity * float(quad(impulse, 0.0, time_s, epsabs=0.0, epsrel=1e-10)[0])

    distances = [math.hypot(r, z) * 1e-3 for r, z, _ in problem.probes]
    return ARTERIAL_C + np.array([[rise(d, t) for d in distances] for t in problem.times_s])


BODY_RADIUS_MM, BODY_HALF_MM, SHELL_MM = 16.0, 13.0, 1.5


def vertebra() -> Problem:
    """A vertebral body with cortical shell, a lytic ball in it, muscle and a ring of CSF around; 10 W for 270 s.

    Tissue constants of the project (materials/data), no rise of perfusion with temperature, flow stopped at omega 1 of
    the liver law, cool-down to 600 s. No code boils here (the peers cannot), so the middle passes 100 degC.
    """
    muscle, bone, cortex, tumour, csf = map(
        _material, ("muscle", "cancellous_bone", "cortical_bone", "lytic_tumour", "csf")
    )
    inner = BODY_RADIUS_MM - SHELL_MM, BODY_HALF_MM - SHELL_MM
    solids = (
        Tube(csf, 17.0, 22.0, -25.0, 25.0),
        Tube(cortex, 0.0, BODY_RADIUS_MM, -BODY_HALF_MM, BODY_HALF_MM),
        Tube(bone, 0.0, inner[0], -inner[1], inner[1]),
        Ball(tumour, 1.0, 9.0),
    )
    probes = (
        (0.0, 0.0, 0.0), (5.0, 0.0, 15.0), (8.5, 3.0, 50.0), (0.0, 9.5, 0.0), (11.0, 0.0, 100.0), (13.0, -8.0, 140.0),
        (15.25, 0.0, 200.0), (16.5, 2.0, 230.0), (18.0, 0.0, 265.0), (0.0, -12.25, 0.0), (3.0, 14.5, 300.0),
        (24.0, 5.0, 330.0),
    )  # fmt: skip
    return Problem(
        "vertebra", muscle, solids, 48.0, (0.3, 0.2, -0.1), (0.30, 0.20, 0.93), 6.0, 10.0, 270.0,
        (60.0, 150.0, 270.0, 300.0, 420.0, 600.0), probes, _liver(),
    )  # fmt: skip


def _material(name: str) -> Material:
    from vertherm.materials.tissue import tissue

    found = tissue(name)
    damaged = found.damage == "liver_coagulation"
    return Material(name, found.conductivity, found.volumetric_heat_capacity, found.perfusion, damaged)


def _liver() -> Arrhenius:
    from vertherm.materials.damage import GAS_CONSTANT, damage_model

    model = damage_model("liver_coagulation")
    return Arrhenius(model.ln_a, model.ea_j_mol / GAS_CONSTANT, float(model.valid_from_c or 0.0))
