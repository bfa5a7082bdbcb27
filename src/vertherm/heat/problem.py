"""What the bioheat solver is given: capacities, conductances, perfusion, sinks, latent heat, damage models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertherm.core.errors import InputError
from vertherm.materials.constants import constants
from vertherm.materials.damage import ArrheniusModel, damage_model

Field = NDArray[np.float32]


class PerfusionResponse(Protocol):
    """How blood flow follows temperature and damage (``materials.perfusion.PerfusionModel`` is one)."""

    def rise(self, temperature_c: ArrayLike) -> NDArray[np.float64]:
        """Factor from temperature in degC."""

    def survival(self, omega: ArrayLike) -> NDArray[np.float64]:
        """Factor from the Arrhenius integral of the cell."""


@dataclass(frozen=True)
class ConstantPerfusion:
    """Flow that neither rises nor stops."""

    def rise(self, temperature_c: ArrayLike) -> NDArray[np.float64]:
        """1 everywhere."""
        return np.ones_like(np.asarray(temperature_c, dtype=np.float64))

    def survival(self, omega: ArrayLike) -> NDArray[np.float64]:
        """1 everywhere."""
        return np.ones_like(np.asarray(omega, dtype=np.float64))


def _liver() -> tuple[ArrheniusModel, ...]:
    return (damage_model("liver_coagulation"),)


@dataclass(frozen=True, eq=False)
class FluidExchange:
    """Heat that passing fluid takes up in some cells: coefficient (T - temperature), from the start to the end.

    Unlike blood it neither rises with temperature nor stops with damage. n cells, each at most once.

    Args:
        cells: (n,) flat C-order indices.
        coefficient: (n,) W/m3K of the whole cell.
        temperature_c: (n,) at which the fluid arrives.
    """

    cells: NDArray[np.int64]
    coefficient: NDArray[np.float64]
    temperature_c: NDArray[np.float64]

    @staticmethod
    def together(parts: Sequence[FluidExchange]) -> FluidExchange | None:
        """Several fluids in one: coefficients add, temperatures are weighted with them; None where nothing flows."""
        if not parts:
            return None
        cells, place = np.unique(np.concatenate([part.cells for part in parts]), return_inverse=True)
        flow: NDArray[np.float64] = np.concatenate([part.coefficient for part in parts])
        carried = np.concatenate([part.coefficient * part.temperature_c for part in parts])
        total = np.bincount(place, flow, minlength=cells.size).astype(np.float64)
        kept = total > 0
        mean = np.bincount(place, carried, minlength=cells.size)[kept] / total[kept]
        return FluidExchange(cells[kept].astype(np.int64), total[kept], mean) if kept.any() else None


@dataclass(frozen=True, eq=False)
class BioheatProblem:
    """Pennes' bioheat equation with vaporisation on a grid of cubic cells; arrays have shape (nx, ny, nz), SI, degC.

    Args:
        spacing_m: edge of a cell.
        capacity: J/m3K, heat capacity of the wet tissue, mean over the cell.
        conductivity_faces: (kx, ky, kz) with shapes (nx+1, ny, nz), (nx, ny+1, nz), (nx, ny, nz+1): effective
            conductivity in W/mK between neighbouring cell centres; the outermost faces carry the edge cell's own value.
        perfusion: W/m3K at 37 degC (flow * density * capacity of blood).
        held: cells whose temperature never changes (vessels and CSF as sinks, air at room temperature), or None.
        held_temperature_c: their temperature, one number or an array.
        latent_j_m3: heat that vaporises all water of a cell, or None for tissue that never boils.
        capacity_vapour: J/m3K of the dried cell: one number or an array; None takes the constant of the project.
        arterial_c: temperature of arterial blood, also that of the outer faces if they are ``"fixed"``.
        initial_c: start temperature, one number or an array.
        boundary: outer faces ``"fixed"`` at ``arterial_c`` or ``"insulated"``.
        perfusion_response: how flow follows temperature and damage; None: it does not.
        damage_index: uint8, which of ``damage_models`` a cell follows; None: the first everywhere.
        damage_models: Arrhenius models; default: liver coagulation alone.
        band_c: start and end of vaporisation; None takes the constants of the project.
        fluid: heat that passing fluid takes up; None: nothing is irrigated.
    """

    spacing_m: float
    capacity: Field
    conductivity_faces: tuple[Field, Field, Field]
    perfusion: Field
    held: NDArray[np.bool_] | None = None
    held_temperature_c: float | Field = 37.0
    latent_j_m3: Field | None = None
    capacity_vapour: float | Field | None = None
    arterial_c: float = 37.0
    initial_c: float | Field = 37.0
    boundary: Literal["fixed", "insulated"] = "fixed"
    perfusion_response: PerfusionResponse | None = None
    damage_index: NDArray[np.uint8] | None = None
    damage_models: tuple[ArrheniusModel, ...] | None = None
    band_c: tuple[float, float] | None = None
    fluid: FluidExchange | None = None

    def __post_init__(self) -> None:
        shape = self.capacity.shape
        if len(shape) != 3 or min(shape) < 1:
            raise InputError("The heat grid is not three-dimensional.", where="capacity", got=shape)
        if not (np.isfinite(self.spacing_m) and self.spacing_m > 0):
            raise InputError("The cell size is unusable.", where="spacing_m", got=self.spacing_m, expected="> 0 metres")
        for axis, faces in enumerate(self.conductivity_faces):
            expected = tuple(n + (a == axis) for a, n in enumerate(shape))
            self._check(faces, expected, f"conductivity_faces[{axis}]", 0.0)
        self._check(self.capacity, shape, "capacity", 0.0)
        self._check(self.perfusion, shape, "perfusion", 0.0)
        for name, lowest in (
            ("held_temperature_c", -273.15),
            ("latent_j_m3", 0.0),
            ("capacity_vapour", 1e-30),
            ("initial_c", -273.15),
        ):
            value = getattr(self, name)
            if value is not None:
                self._check(np.asarray(value), shape if np.ndim(value) else (), name, lowest)
        self._check_labels(shape)
        self._check_fluid()

    def _check_fluid(self) -> None:
        if self.fluid is None or not self.fluid.cells.size:
            return
        self._check(self.fluid.coefficient, self.fluid.cells.shape, "fluid.coefficient", 0.0)
        self._check(self.fluid.temperature_c, self.fluid.cells.shape, "fluid.temperature_c", -273.15)
        if self.fluid.cells.min() < 0 or self.fluid.cells.max() >= self.capacity.size:
            got = f"{self.fluid.cells.min()} to {self.fluid.cells.max()}"
            raise InputError("Fluid flows outside the heat grid.", where="fluid.cells", got=got)

    def _check(self, values: NDArray, expected: tuple[int, ...], name: str, lowest: float) -> None:
        if values.shape != expected:
            raise InputError("An array does not fit the heat grid.", where=name, got=values.shape, expected=expected)
        smallest, largest = float(values.min()), float(values.max())
        if not (np.isfinite(smallest) and np.isfinite(largest)) or smallest < lowest:
            raise InputError(
                "A thermal property is not a usable number.",
                where=name,
                got=f"{smallest} to {largest}",
                expected=f"finite, >= {lowest:g}",
            )

    def _check_labels(self, shape: tuple[int, ...]) -> None:
        if self.held is not None and self.held.shape != shape:
            raise InputError("An array does not fit the heat grid.", where="held", got=self.held.shape, expected=shape)
        if self.damage_index is not None:
            if self.damage_index.shape != shape:
                got = self.damage_index.shape
                raise InputError("An array does not fit the heat grid.", where="damage_index", got=got, expected=shape)
            if int(self.damage_index.max()) >= len(self.models):
                raise InputError(
                    "A cell names a damage model that is not given.",
                    where="damage_index",
                    got=int(self.damage_index.max()),
                    expected=f"< {len(self.models)}",
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of cells along x, y, z."""
        nx, ny, nz = self.capacity.shape
        return nx, ny, nz

    @property
    def models(self) -> tuple[ArrheniusModel, ...]:
        """The Arrhenius models in use."""
        return self.damage_models if self.damage_models is not None else _liver()

    @property
    def response(self) -> PerfusionResponse:
        """The perfusion response in use."""
        return self.perfusion_response if self.perfusion_response is not None else ConstantPerfusion()

    @property
    def band(self) -> tuple[float, float]:
        """Start and end of vaporisation in degC."""
        if self.band_c is not None:
            return self.band_c
        return constants("vaporisation_start").value, constants("vaporisation_end").value

    @property
    def vapour(self) -> float | Field:
        """Capacity of dried tissue in J/m3K."""
        return self.capacity_vapour if self.capacity_vapour is not None else constants("heat_capacity_vapour").value


def temperature_functions(problem: BioheatProblem) -> list[Callable[[NDArray[np.float64]], NDArray[np.float64]]]:
    """Functions of temperature the solver tabulates: perfusion rise, CEM43 rate in min/s, each model's rate in 1/s."""
    from vertherm.materials.damage import cem43_increment

    return [problem.response.rise, lambda t: cem43_increment(t, 1.0), *(model.rate for model in problem.models)]
