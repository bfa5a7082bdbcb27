"""A heterogeneous bioheat case in NGSolve: body-fitted curved tetrahedra of order 3, Crank-Nicolson, no voxels.

A ball of cancellous bone (radius 10 mm) with a canal of CSF (radius 5 mm) cutting into it lies in a block of muscle; a
Gaussian source of 6 W heats the bone for 120 s, then 120 s of cooling; the walls of the block stay at 37 degC. Property
values come from the package's tissue tables, geometry and equations are written a second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import Grid
from vertherm.heat.bioheat import BioheatProblem, BioheatSolver, StepLimits
from vertherm.materials.tissue import TissueProperties, tissue
from vertherm.materials.tissue_map import TissueMap

Array = NDArray[np.float64]
EDGE_MM, BALL_MM, ROD_MM, ROD_AT_MM = 45.0, 10.0, 5.0, 14.0
"""Edge of the block, radii of ball and rod (along z), distance of the rod's axis from the centre along x."""
POWER_W, SIGMA_MM, SOURCE_AT_MM, HEATING_S, COOLING_S, BODY_C = 6.0, 4.0, (2.0, 0.0, 0.0), 120.0, 120.0, 37.0
PROBES_MM = {
    "source": (2.0, 0.0, 0.0),
    "bone, 8 mm": (-6.0, 0.0, 0.0),
    "bone beside the canal": (8.0, 0.0, 0.0),
    "canal, 1 mm in": (10.0, 0.0, 0.0),
    "canal, middle": (14.0, 0.0, 0.0),
    "muscle beside": (0.0, 13.0, 0.0),
    "muscle behind": (-14.0, 0.0, 0.0),
}
LINE_MM = np.arange(-16.0, 17.0)
"""Profile along x through the centre: cell centres of the 1 mm grid."""
NAMES = ("muscle", "cancellous_bone", "csf")


def materials() -> tuple[TissueProperties, TissueProperties, TissueProperties]:
    """Muscle, bone and CSF."""
    muscle, bone, csf = (tissue(name) for name in NAMES)
    return muscle, bone, csf


@dataclass(frozen=True)
class Course:
    """Temperatures at the probes in degC when the source stops and at the end.

    Args:
        hot, late: by probe.
        line_x_mm, line_c: profile along x through the centre when the source stops.
        cells: cells or unknowns of the run.
    """

    hot: dict[str, float]
    late: dict[str, float]
    line_x_mm: Array
    line_c: Array
    cells: int


def voxels(spacing_mm: float = 1.0, subdivision: int = 4) -> Course:
    """The case in this package: sub-cell geometry through the tissue map."""
    count = round(EDGE_MM / spacing_mm)
    half = count * spacing_mm / 2
    grid = Grid.isotropic(np.full(3, -half), np.full(3, half), spacing_mm)
    axis = (np.arange(count * subdivision) + 0.5) * spacing_mm / subdivision - half
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    index = (x**2 + y**2 + z**2 < BALL_MM**2).astype(np.uint8)
    index[np.broadcast_to((x - ROD_AT_MM) ** 2 + y**2 < ROD_MM**2, index.shape)] = 2
    tissues = TissueMap(grid, subdivision, index, materials(), np.zeros(grid.shape, bool))
    problem = BioheatProblem(
        spacing_m=spacing_mm * 1e-3,
        capacity=tissues.capacity(),
        conductivity_faces=tissues.face_conductivities(0.0),
        perfusion=tissues.cell_mean([entry.perfusion for entry in materials()]),
    )
    points = {**PROBES_MM, **{f"line {n}": (float(at), 0.0, 0.0) for n, at in enumerate(LINE_MM)}}
    sensors = {name: grid.index(np.array(at)) for name, at in points.items()}
    solver = BioheatSolver(problem, sensors=sensors, limits=StepLimits(heating_s=2.0, cooling_s=5.0, change_k=2.0))
    solver.advance(HEATING_S, _source(grid))
    hot = solver.readings()
    solver.advance(COOLING_S)
    late = solver.readings()
    profile = np.array([hot[f"line {n}"] for n in range(LINE_MM.size)])
    return Course({k: hot[k] for k in PROBES_MM}, {k: late[k] for k in PROBES_MM}, LINE_MM, profile, count**3)


def _source(grid: Grid) -> NDArray[np.float32]:
    square = np.sum((grid.centres() - np.array(SOURCE_AT_MM)) ** 2, axis=-1).reshape(grid.shape)
    peak = POWER_W / (2 * np.pi * (SIGMA_MM * 1e-3) ** 2) ** 1.5
    return np.asarray(peak * np.exp(-square / (2 * SIGMA_MM**2)), np.float32)


def _mesh(size_mm: float, order: int) -> Any:
    """Block, ball and rod; the ball is bone but where the rod cuts it."""
    import ngsolve
    from netgen.occ import Box as Block
    from netgen.occ import Cylinder, Glue, OCCGeometry, Pnt, Sphere, Z

    half = EDGE_MM / 2
    block = Block(Pnt(-half, -half, -half), Pnt(half, half, half))
    rod = Cylinder(Pnt(ROD_AT_MM, 0, -half), Z, ROD_MM, EDGE_MM)
    ball = Sphere(Pnt(0, 0, 0), BALL_MM) - rod
    for solid, name in ((rod, "csf"), (ball, "cancellous_bone")):
        solid.mat(name).maxh = size_mm
    around = (block - rod - ball).mat("muscle")
    for face in around.faces:
        at = max(abs(face.center.x), abs(face.center.y), abs(face.center.z))
        face.name = "wall" if at > half - 1e-6 else "inner"
    mesh = ngsolve.Mesh(OCCGeometry(Glue([rod, ball, around])).GenerateMesh(maxh=2.5 * size_mm, optsteps3d=2))
    return mesh.Curve(order)


def finite_elements(size_mm: float = 4.0, order: int = 3, step_s: float = 4.0) -> Course:
    """The case in NGSolve. Crank-Nicolson in delta form, (M + dt/2 A) d = dt (f - A T), one Cholesky factor a step."""
    import ngsolve as ng

    mesh = _mesh(size_mm, order)
    values = {entry.name: entry for entry in materials()}
    # Lengths in mm, the rest SI: W/mK = 1e-3 W/mmK, J/m3K = 1e-9 J/mm3K.
    k = mesh.MaterialCF({n: e.conductivity * 1e-3 for n, e in values.items()})
    c = mesh.MaterialCF({n: e.volumetric_heat_capacity * 1e-9 for n, e in values.items()})
    w = mesh.MaterialCF({n: e.perfusion * 1e-9 for n, e in values.items()})
    space = ng.H1(mesh, order=order, dirichlet="wall")
    u, v = space.TnT()
    stiff = ng.BilinearForm(k * ng.grad(u) * ng.grad(v) * ng.dx + w * u * v * ng.dx, symmetric=True).Assemble()
    mass = ng.BilinearForm(c * u * v * ng.dx, symmetric=True).Assemble()
    x, y, z = SOURCE_AT_MM
    square = (ng.x - x) ** 2 + (ng.y - y) ** 2 + (ng.z - z) ** 2
    density = POWER_W / (2 * np.pi * SIGMA_MM**2) ** 1.5 * ng.exp(-square / (2 * SIGMA_MM**2))
    load = ng.LinearForm(density * v * ng.dx(bonus_intorder=4)).Assemble()
    rise = ng.GridFunction(space)
    _crank_nicolson(space, mass.mat, stiff.mat, load.vec, rise, HEATING_S, step_s)
    hot, profile = _probe(mesh, rise), BODY_C + np.array([float(rise(mesh(at, 0.0, 0.0))) for at in LINE_MM])
    load.vec[:] = 0.0
    _crank_nicolson(space, mass.mat, stiff.mat, load.vec, rise, COOLING_S, 2 * step_s)
    return Course(hot, _probe(mesh, rise), LINE_MM, profile, int(space.ndof))


def _crank_nicolson(space: Any, mass: Any, stiff: Any, load: Any, rise: Any, time_s: float, step_s: float) -> None:
    """March ``rise`` by ``time_s``; the first step is split into two implicit Euler halves, which damp the jump."""
    system = mass.CreateMatrix()
    system.AsVector().data = mass.AsVector() + 0.5 * step_s * stiff.AsVector()
    solve = system.Inverse(space.FreeDofs(), inverse="sparsecholesky")
    rest = rise.vec.CreateVector()
    for number in range(round(time_s / step_s)):
        # Half a step of implicit Euler has the same matrix M + dt/2 A.
        for share in (0.5, 0.5) if number == 0 else (1.0,):
            rest.data = share * step_s * (load - stiff * rise.vec)
            rise.vec.data += solve * rest


def _probe(mesh: Any, rise: Any) -> dict[str, float]:
    return {name: BODY_C + float(rise(mesh(*at))) for name, at in PROBES_MM.items()}
