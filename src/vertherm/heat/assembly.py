"""The tissue map as the heat solver sees it: capacities, faces, perfusion, sinks and damage models of one member."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vertherm.heat.dissection import start_c, stored
from vertherm.heat.irrigation import fluid_exchange
from vertherm.heat.member import Cooling
from vertherm.heat.problem import BioheatProblem
from vertherm.heat.protection import NONE, Protection
from vertherm.heat.setup import Setup
from vertherm.heat.skin_cooling import film_w_m2k, outside_c
from vertherm.materials.constants import constants
from vertherm.materials.perfusion import conductivity_factor, perfusion_model
from vertherm.materials.tissue_map import TissueMap

Faces = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
SINKS_WITH_COOLING = ("blood", "csf")
"""Tissues whose flow carries heat away: held at arterial temperature in members with full cooling."""


@lru_cache(maxsize=2)
def bioheat_problem(setup: Setup, cooling: Cooling) -> BioheatProblem:
    """The tissue as the heat solver sees it, with the member's choice of cooling."""
    return tissue_problem(
        setup.tissue, cooling, protection=setup.protection, body_c=setup.body_c, damage_shift_k=setup.damage_shift_k
    )


def tissue_problem(
    tissue: TissueMap,
    cooling: Cooling,
    *,
    protection: Protection = NONE,
    body_c: float | None = None,
    damage_shift_k: float = 0.0,
) -> BioheatProblem:
    """A tissue map as the heat solver sees it, without any antenna.

    Args:
        cooling: "full": vessels, CSF and rising perfusion carry heat away; else they do not.
        protection: dissection, irrigation, cooling of the skin.
        body_c: of tissue and blood at the start; None: body temperature.
        damage_shift_k: see :class:`Setup`.
    """
    start = constants("body_temperature").value if body_c is None else body_c
    problem = _uncooled(tissue, protection, start, damage_shift_k)
    if cooling != "full":
        return problem
    assert problem.held is not None
    held = problem.held | (tissue.fraction(SINKS_WITH_COOLING) > 0.5)
    return replace(problem, held=held, perfusion_response=perfusion_model(None))


# Setups with other needles and members with other cooling share all this.
@lru_cache(maxsize=1)
def _uncooled(tissue: TissueMap, protection: Protection, body_c: float, damage_shift_k: float) -> BioheatProblem:
    """Without sinks, and with perfusion that never rises."""
    palette, air = tissue.palette, tissue.air_cells()
    latent = [p.density * p.water_fraction * constants("latent_heat_water").value for p in palette]
    temperature = np.full(air.shape, body_c, np.float32)
    room = tissue.exterior_air()
    temperature[room] = np.broadcast_to(outside_c(protection.skin_cooling, tissue.grid), air.shape)[room]
    # Blood's own row is a flow per volume of vessel, not capillary perfusion: without cooling it must not be a sink.
    perfusion = [0.0 if p.name == "blood" else p.perfusion for p in palette]
    damage_index, models = tissue.damage_index()
    return BioheatProblem(
        spacing_m=tissue.spacing_m,
        capacity=stored(tissue),
        conductivity_faces=tissue.face_conductivities(film_w_m2k(protection.skin_cooling, tissue.grid)),
        perfusion=tissue.tissue_mean(perfusion),
        held=air,
        held_temperature_c=temperature,
        latent_j_m3=tissue.tissue_mean(latent),
        arterial_c=body_c,
        initial_c=np.where(air, temperature, start_c(tissue, protection.dissections, body_c)).astype(np.float32),
        perfusion_response=perfusion_model(1.0),
        damage_index=damage_index,
        damage_models=tuple(replace(model, shift_k=damage_shift_k) for model in models),
        fluid=fluid_exchange(tissue, protection.irrigations),
    )


def heated(faces: Faces, temperature_c: NDArray[np.float32]) -> Faces:
    """Face conductivities at the present temperatures: each times the mean factor of its two cells.

    Args:
        faces: at 37 degC, shapes as in :class:`BioheatProblem`.
        temperature_c: of the cells, (nx, ny, nz).
    """
    factor = conductivity_factor(temperature_c).astype(np.float32)
    scaled = []
    for axis, face in enumerate(faces):
        edges = np.pad(factor, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        lower = (slice(None),) * axis + (slice(0, -1),)
        upper = (slice(None),) * axis + (slice(1, None),)
        scaled.append(np.float32(0.5) * face * (edges[lower] + edges[upper]))
    return scaled[0], scaled[1], scaled[2]
