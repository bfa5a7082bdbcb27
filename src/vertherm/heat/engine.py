"""Where a solver's work is done: one interface, on the processor's cores or on a graphics card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.heat.rkl2 import Plan

if TYPE_CHECKING:
    from vertherm.heat.state import BioheatState

Array = NDArray[np.float64]
DEVICES = ("cpu", "cuda")


class Engine(Protocol):
    """Rates, steps and readings of a state. Heats: W into held cells, outer faces, fluid, then of each shaft."""

    @property
    def hottest_k(self) -> float:
        """Largest equivalent temperature above arterial of any row (right where positive)."""

    @property
    def fastest_k_s(self) -> float:
        """Largest magnitude of the rate."""

    @property
    def share(self) -> float:
        """Share of the rows that steps sweep now."""

    def renew(self) -> None:
        """The fields or the shafts have changed."""

    def new_source(self) -> None:
        """The source has changed."""

    def rates(self, scale: float, constant: Array) -> Array:
        """Time derivative with the source times ``scale`` and the shafts' ``constant`` W/m (nodes,); its heats."""

    def scan(self, dt: float, box: NDArray[np.int64]) -> tuple[float, float]:
        """Box of cells that boil or may within ``dt``; stiffness of dry cells, largest rate of wet ones."""

    def clear(self, box: NDArray[np.int64]) -> None:
        """No cell of the box boils any more."""

    def step(self, dt: float, plan: Plan) -> tuple[Array, float]:
        """The step itself; heats of every later stage (stages - 1, 3 + shafts), perfusion's heat in W/m3 summed."""

    def observe(self, row: Array) -> None:
        """Largest temperature of every structure, then the sensors, relative to arterial blood."""

    def fetch(self, *names: str) -> None:
        """Bring arrays of the state up to date."""


def engine_for(state: BioheatState, device: str, threads: int, rest_k: float) -> Engine:
    """The engine for ``device``.

    Raises:
        InputError: unknown or unavailable.
    """
    if device == "cpu":
        from vertherm.heat.cpu import CpuEngine

        return CpuEngine(state, threads, rest_k)
    if device == "cuda":
        from vertherm.heat.gpu import GpuEngine

        return GpuEngine(state)
    raise InputError("A device is unknown.", where="device", got=device, expected=" or ".join(DEVICES))
