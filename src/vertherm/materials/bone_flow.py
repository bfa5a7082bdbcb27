"""How easily cement moves through bone: porosity to permeability, intact shell, veins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.materials.bone_density import flow_constant

Field = NDArray[np.float32]


def trabecular_permeability(porosity: Any) -> Field:
    """Kozeny and Carman's law through the reference: K / K0 = (phi^3 / (1 - phi)^2) / (same at phi0); m2.

    The share of bone is taken as at least 4 %: below, cement runs into what limits it elsewhere.
    """
    share = np.clip(1.0 - np.asarray(porosity, np.float64), 0.04, 0.98)
    reference = 1.0 - flow_constant("porosity_reference").value
    scale = ((1.0 - share) / (1.0 - reference)) ** 3 * (reference / share) ** 2
    return np.asarray(flow_constant("permeability_reference").value * scale, np.float32)


def through_shell(permeability_m2: Any, shell_m2: float, thickness_mm: float, cell_mm: float) -> Field:
    """A cell that holds a layer of shell across its middle: resistances in series; m2."""
    inner = np.asarray(permeability_m2, np.float64)
    layer = min(thickness_mm, cell_mm)
    return np.asarray(cell_mm / ((cell_mm - layer) / np.maximum(inner, 1e-30) + layer / shell_m2), np.float32)


def vein_permeability(radius_mm: float, cell_mm: float) -> float:
    """A cell crossed by a round vein, by Poiseuille's law: pi r^4 / (8 h^2); m2."""
    return float(np.pi * radius_mm**4 / (8.0 * cell_mm**2) * 1e-6)
