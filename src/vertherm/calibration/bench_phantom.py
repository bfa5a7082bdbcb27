"""A bench phantom: a block of one tissue around one antenna, as a set-up of the heat solver.

The antenna stands upright (its axis is z, its tip the origin). Outer faces stay at the start temperature. No symmetry
is used: the antenna's two-dimensional solve costs more than the heat of the whole block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vertherm.applicator.antenna import Antenna
from vertherm.calibration.measurements import Condition
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid
from vertherm.heat.schedule import Activation, Schedule
from vertherm.materials.drying import DryingAdjustment
from vertherm.materials.tissue import tissue
from vertherm.materials.tissue_map import TissueMap

if TYPE_CHECKING:
    from vertherm.heat.setup import Setup

SPACING_MM = 2.0
"""Cells of the block. Against 1 mm cells a zone (60 degC isotherm, 40 W) comes out 0.0-0.2 mm too wide after 6 min,
0.5-1.2 mm after 10 min and 1.6-2.1 mm after 16 min [own runs]."""
RESOLVE_EVERY_S = 30.0
"""Longest time between two antenna solves: re-solving every 20-30 s changes a zone by less than 1 mm (numerics)."""
REACH_MM = 42.0
"""Tissue around the antenna in the block and in the field's computing domain."""
SHAFT_MM = 200.0
EMITTER = "antenna"


def _structured_mm(antenna: Antenna) -> float:
    """Distance from the tip to where the antenna's structured part ends."""
    return max(z for part in antenna.parts for _, z in part.corners_mm if np.isfinite(z))


@dataclass(frozen=True, eq=False)
class BenchPhantom:
    """Block of tissue with an antenna.

    Args:
        antenna: with its cooling variant.
        frequency_hz: one of its frequencies.
        spacing_mm: cells of the block.
        resolve_every_s: longest time between two antenna solves.
        reach_mm: tissue around the antenna.
    """

    antenna: Antenna
    frequency_hz: float
    spacing_mm: float = SPACING_MM
    resolve_every_s: float = RESOLVE_EVERY_S
    reach_mm: float = REACH_MM

    @property
    def grid(self) -> Grid:
        """The block: ``reach_mm`` around the axis and below the tip, the structured part and ``reach_mm`` above it."""
        side = self.reach_mm
        top = _structured_mm(self.antenna) + side
        return Grid.isotropic(np.array([-side, -side, -side]), np.array([side, side, top]), self.spacing_mm)

    @property
    def trajectory(self) -> Trajectory:
        """Upright, tip at the origin."""
        return Trajectory(np.array([0.0, 0.0, SHAFT_MM]), np.zeros(3))

    def tissue_map(self, condition: Condition) -> TissueMap:
        """One tissue everywhere; ex vivo without blood flow and metabolism."""
        grid, medium = self.grid, tissue(condition.medium)
        if not condition.perfused:
            medium = replace(medium, perfusion=0.0, metabolic=0.0)
        shape = grid.shape
        fine = (2 * shape[0], 2 * shape[1], 2 * shape[2])
        return TissueMap(grid, 2, np.zeros(fine, np.uint8), (medium,), np.zeros(shape, bool))

    def setup(
        self,
        condition: Condition,
        marks_s: tuple[float, ...],
        *,
        efficiency: float = 1.0,
        drying: DryingAdjustment | None = None,
        places_mm: dict[str, tuple[float, float]] | None = None,
        pause_s: float = 0.0,
    ) -> Setup:
        """The heat set-up of one run at constant power.

        Args:
            condition: medium and power.
            marks_s: increasing times with power on at which the run stops to look; the last one ends it.
            efficiency: factor on the modelled absorbed power.
            drying: adjustment of the drying model.
            places_mm: (r, z) of thermocouples in the antenna's frame, by name.
            pause_s: time followed after the power went off.
        """
        from vertherm.heat.setup import Emitter, Setup

        steps = np.diff([0.0, *marks_s])
        last = len(steps) - 1
        activations = tuple(
            Activation(float(step), power_w=condition.power_w, pause_s=pause_s if n == last else 0.0)
            for n, step in enumerate(steps)
        )
        emitter = Emitter(EMITTER, self.antenna, self.trajectory, self.frequency_hz, efficiency=efficiency)
        return Setup(
            tissue=self.tissue_map(condition),
            emitters=(emitter,),
            schedule=Schedule(activations),
            power_kind=condition.power_kind,
            probes={},
            tracked=(),
            thermocouples={name: np.array([r, 0.0, z]) for name, (r, z) in (places_mm or {}).items()},
            neural_cells=np.zeros(0, np.int64),
            resolve_every_s=self.resolve_every_s,
            reach_mm=max(self.reach_mm, _structured_mm(self.antenna) - 4.0),
            drying=drying or DryingAdjustment(),
            start_c=condition.start_c,
        )
