"""Figures of the electromagnetic cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vertherm.validation import electromagnetics as em
from vertherm.validation.drawing import OURS, REFERENCE, SECOND, panels
from vertherm.validation.evidence import Figure

MESHES_MM = (0.2, 0.1, 0.05)
CONVERGED = (-18.766, 9.3737)
"""S11 in dB and absorbed power in W of case A, as two codes agree on them."""


def figures(folder: Path) -> list[Figure]:
    """Orders on the dipole, and case A under mesh refinement."""
    return [_orders(folder), _refinement(folder)]


def _orders(folder: Path) -> Figure:
    path, cells = folder / "em-dipole-order.svg", (20, 40, 80)
    errors = [em.dipole_in_liver(cells=(n, n), exact_outside=True) for n in cells]
    size = 45.0 / np.array(cells)
    with panels(path) as (axes,):
        field, sar = [e.field_l2 for e in errors], [e.sar_l2 for e in errors]
        axes.loglog(size, field, "o-", color=OURS, label="magnetic field")
        axes.loglog(size, sar, "s-", color=SECOND, label="loss density")
        for values, order in ((field, 3), (sar, 2)):
            axes.loglog(size, values[-1] * (size / size[-1]) ** order, ":", color=REFERENCE, label=f"order {order}")
        axes.set(xlabel="mean element size along the radius (mm)", ylabel="relative L2 error", xticks=size)
        axes.set_xticklabels([f"{value:.2g}" for value in size])
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        axes.legend()
    caption = (
        "Infinitesimal dipole in liver at 2.45 GHz (case B), exact field on both spheres: error of P2 elements against "
        "the closed form on three meshes, with the orders that theory gives."
    )
    return Figure(path, "Order of convergence on the dipole", caption)


def _refinement(folder: Path) -> Figure:
    path = folder / "em-case-a.svg"
    found = [em.coaxial_slot(mesh_size_mm=size) for size in MESHES_MM]
    reflection = [abs(s.s11_db - CONVERGED[0]) for s in found]
    power = [abs(10 * s.absorbed_w - CONVERGED[1]) / CONVERGED[1] * 100 for s in found]
    with panels(path, 2, width=3.4) as (left, right):
        for axes, values, goal, label in (
            (left, reflection, 0.05, "difference of S11 (dB)"),
            (right, power, 0.1, "difference of absorbed power (%)"),
        ):
            axes.loglog(MESHES_MM, values, "o-", color=OURS, label="Vertherm")
            axes.axhline(goal, color=REFERENCE, ls="--", lw=1, label="goal")
            axes.set(xlabel="mesh size at metal edges (mm)", ylabel=label, xticks=MESHES_MM)
            axes.set_xticklabels([f"{size:g}" for size in MESHES_MM])
            axes.minorticks_off()
            axes.legend()
    caption = (
        "Coaxial slot antenna in liver (case A): distance from the values on which two independent codes agree "
        f"({CONVERGED[0]} dB, {CONVERGED[1]} W of 10 W). The default mesh size is {MESHES_MM[-1]:g} mm."
    )
    return Figure(path, "Case A under mesh refinement", caption)
