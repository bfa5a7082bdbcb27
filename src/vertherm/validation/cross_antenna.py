"""Antenna case A solved by NGSolve on its own mesh: curved Netgen triangles, order 5, own assembly and direct solver.

Same equation and boundary conditions (antennas.md, case A), nothing of ours in the way there: the geometry is typed in
from the reference, not read from the catalogue. Lengths in millimetres throughout; the weak form does not care.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import EPS_0, LIGHT_M_S, MU_0

Array = NDArray[np.float64]
FREQUENCY_HZ = 2.45e9
LIVER = (43.03, 1.69)
"""Relative permittivity and conductivity in S/m."""
INNER_MM, DIELECTRIC_MM, OUTER_MM, CATHETER_MM, RADIUS_MM, TOP_MM, TIP_MM = 0.135, 0.470, 0.595, 0.895, 30.0, 80.0, 9.5
COAX_EPS, CATHETER_EPS = 2.03, 2.6


@dataclass(frozen=True)
class PeerAntenna:
    """What the other code found, per watt of forward power.

    Args:
        s11: complex reflection at the port.
        absorbed_w: in the tissue.
        q: (n,) loss density in W/m3 at the points asked for.
        unknowns: of its system.
    """

    s11: complex
    absorbed_w: float
    q: Array
    unknowns: int


def _mesh() -> Any:
    """Half plane without metal: coax dielectric, slot, catheter, tissue; port, open boundary and axis named."""
    import ngsolve
    from netgen.occ import Glue, OCCGeometry, WorkPlane

    def box(r0: float, z0: float, r1: float, z1: float) -> Any:
        return WorkPlane().MoveTo(r0, z0).Rectangle(r1 - r0, z1 - z0).Face()

    metal = box(0, TIP_MM + 0.5, OUTER_MM, TOP_MM)
    line = box(INNER_MM, TIP_MM + 0.6, DIELECTRIC_MM, TOP_MM)
    slot = box(DIELECTRIC_MM, TIP_MM + 6.0, OUTER_MM, TIP_MM + 7.0)
    outline = WorkPlane().MoveTo(0, TIP_MM).LineTo(CATHETER_MM, TIP_MM + 0.5).LineTo(CATHETER_MM, TOP_MM)
    catheter = outline.LineTo(0, TOP_MM).LineTo(0, TIP_MM).Face()
    parts = {"tissue": (box(0, 0, RADIUS_MM, TOP_MM) - catheter, 2.5), "catheter": (catheter - metal, 1.0),
             "coax": (line, 0.4), "slot": (slot, 0.08)}  # fmt: skip
    for name, (face, size) in parts.items():
        face.faces.name = name
        face.faces.maxh = size
    shape = Glue([face for face, _ in parts.values()])
    for edge in shape.edges:
        edge.name = _boundary(edge.center.x, edge.center.y)
    for corner in shape.vertices:  # the field is singular at the slot's edges and at the metal tip
        if DIELECTRIC_MM - 1e-6 < corner.p.x < OUTER_MM + 1e-6 and corner.p.y < TIP_MM + 7.1:
            corner.maxh = 0.01
    return ngsolve.Mesh(OCCGeometry(shape, dim=2).GenerateMesh(maxh=2.5, grading=0.25))


def _boundary(r: float, z: float) -> str:
    if z > TOP_MM - 1e-6:
        return "port" if INNER_MM < r < DIELECTRIC_MM else "open"
    if r > RADIUS_MM - 1e-6 or z < 1e-6:
        return "open"
    return "axis" if r < 1e-9 else "inner"


def solve(r_mm: Array, z_mm: Array, order: int = 5) -> PeerAntenna:
    """Solve case A; loss density at points of the tissue, ``z_mm`` measured from the catheter's tip.

    Weak form, u = r H_phi, exp(+j w t): int (grad u . grad v / e - k0^2 u v) / r + j k0 int_edge u v / (sqrt(e) r)
    = 2 j k0 int_port u_inc v / (sqrt(e) r).
    """
    import ngsolve as ng

    omega = 2 * math.pi * FREQUENCY_HZ
    k0 = omega / LIGHT_M_S * 1e-3
    liver = LIVER[0] - 1j * LIVER[1] / (omega * EPS_0)
    mesh = _mesh()
    eps = mesh.MaterialCF({"tissue": liver, "catheter": CATHETER_EPS, "coax": COAX_EPS, "slot": 1.0})
    space = ng.H1(mesh, order=order, complex=True, dirichlet="axis")
    u, v = space.TnT()
    r = ng.x
    edge = mesh.BoundaryCF({"port": 1.0, "open": 1.0}, default=0.0)
    form = ng.BilinearForm(space, symmetric=True)
    form += (ng.grad(u) * ng.grad(v) / eps - k0**2 * u * v) / r * ng.dx(bonus_intorder=4)
    around = mesh.BoundaryCF({"port": math.sqrt(COAX_EPS), "open": 1.0}, default=1.0)
    outside = ng.IfPos(r - CATHETER_MM, cmath.sqrt(liver), math.sqrt(CATHETER_EPS))
    root = mesh.BoundaryCF({"open": outside}, default=around)
    form += 1j * k0 * edge * u * v / (root * r) * ng.ds("port|open", bonus_intorder=4)
    load = ng.LinearForm(2j * k0 / math.sqrt(COAX_EPS) * v / r * ng.ds("port", bonus_intorder=4))
    form.Assemble()
    load.Assemble()
    field = ng.GridFunction(space)
    field.vec.data = form.mat.Inverse(space.FreeDofs(), inverse="sparsecholesky") * load.vec
    return _read(mesh, field, eps, omega, np.asarray(r_mm), np.asarray(z_mm))


def _read(mesh: Any, field: Any, eps: Any, omega: float, r_mm: Array, z_mm: Array) -> PeerAntenna:
    """Reflection, absorbed power and loss density from a field made by u_inc = 1 A."""
    import ngsolve as ng

    r = ng.x
    line = math.log(DIELECTRIC_MM / INNER_MM)
    s11 = 1 - complex(ng.Integrate(field / r * ng.ds("port", bonus_intorder=4), mesh)) / line
    impedance = math.sqrt(MU_0 / EPS_0 / COAX_EPS) / (2 * math.pi) * line
    forward = 0.5 * impedance * (2 * math.pi) ** 2  # I0 = 2 pi u_inc
    # grad per mm over r in mm: 1e6 / m2 in the field, so 1e12 in its square.
    gradient = ng.grad(field)
    square = (gradient * ng.Conj(gradient)).real * 1e12
    density = 0.5 * LIVER[1] * square / (omega * EPS_0 * r) ** 2 / (eps * ng.Conj(eps)).real
    absorbed = ng.Integrate(density * 2 * math.pi * r * ng.dx("tissue", bonus_intorder=6), mesh) * 1e-9
    points = mesh(r_mm, z_mm + TIP_MM)
    values = np.asarray(density(points), dtype=float).reshape(-1)
    return PeerAntenna(s11, float(absorbed) / forward, values / forward, int(field.space.ndof))
