"""How permittivity and conductivity fall as tissue heats and dries: two models with ids, an explicit choice.

"sigmoid": Ji and Brace 2011 (liver, 2.45 GHz), normalised to its value at 37 degC and so transferred to every tissue;
a function of the present temperature only, so it recovers on cooling. "water": falls with the largest share of latent
heat taken up so far, irreversible, down to a floor. "none": constant properties, for verification only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertherm.core.errors import InputError
from vertherm.materials.constants import constants
from vertherm.materials.quantity import Quantity, read_quantities

Array = NDArray[np.float64]
DRYING_IDS = ("sigmoid", "water")
"""The models that ensembles span."""


LARGEST_SHIFT_K = 60.0


@dataclass(frozen=True)
class DryingAdjustment:
    """What a device's calibration, or an ensemble, changes in the drying models. The default changes nothing.

    Args:
        shift_k: "sigmoid": the curve moves by this many kelvin; positive, tissue dries at a higher temperature. The
            factor at 37 degC stays 1. "water" knows no temperature and takes no notice.
        floor: "water": least factor, that of dry tissue; None: the model's own. "sigmoid" takes no notice.

    Raises:
        InputError: a shift beyond 60 K, or a floor outside 0 to 1.
    """

    shift_k: float = 0.0
    floor: float | None = None

    def __post_init__(self) -> None:
        if not abs(self.shift_k) <= LARGEST_SHIFT_K:
            raise InputError(
                "The shift of the drying curve is out of range.",
                where="drying.shift_k",
                got=self.shift_k,
                expected=f"-{LARGEST_SHIFT_K:g} to {LARGEST_SHIFT_K:g} K",
            )
        if self.floor is not None and not 0.0 <= self.floor <= 1.0:
            raise InputError(
                "The factor of dry tissue is out of range.",
                where="drying.floor",
                got=self.floor,
                expected="0 to 1",
            )


AS_PUBLISHED = DryingAdjustment()


class Drying(Protocol):
    """A drying model."""

    @property
    def id(self) -> str:
        """Name of the model."""

    def factors(self, temperature_c: ArrayLike, max_dry_fraction: ArrayLike) -> tuple[Array, Array]:
        """Factors on the 37 degC permittivity and conductivity; same shape as the inputs."""


@dataclass(frozen=True)
class SigmoidDrying:
    """scale [1 - 1 / (1 + exp(offset - slope (T - shift)))] + floor, divided by the same at 37 degC."""

    parameters: tuple[tuple[str, Quantity], ...]
    shift_k: float = 0.0
    id: str = "sigmoid"

    def _shape(self, kind: str, temperature_c: ArrayLike) -> Array:
        p = {name: quantity.value for name, quantity in self.parameters}
        exponent = p[f"{kind}_offset"] - p[f"{kind}_slope"] * np.asarray(temperature_c, dtype=np.float64)
        floor = p["eps_floor"] if kind == "eps" else 0.0
        # 1 - 1/(1+exp(x)) is the logistic function of x; this form cannot overflow.
        return p[f"{kind}_scale"] * 0.5 * (1.0 + np.tanh(0.5 * exponent)) + floor

    def liver(self, temperature_c: ArrayLike) -> tuple[Array, Array]:
        """The published curves themselves: permittivity and conductivity in S/m of liver at 2.45 GHz."""
        return self._shape("eps", temperature_c), self._shape("sigma", temperature_c)

    def factors(self, temperature_c: ArrayLike, max_dry_fraction: ArrayLike) -> tuple[Array, Array]:
        """Factors at ``temperature_c``; ``max_dry_fraction`` only sets the shape (this model has no memory)."""
        t, _ = np.broadcast_arrays(np.asarray(temperature_c, dtype=np.float64), np.asarray(max_dry_fraction))
        eps, sigma = self.liver(t - self.shift_k)
        eps_37, sigma_37 = self.liver(constants("body_temperature").value - self.shift_k)
        return eps / eps_37, sigma / sigma_37


@dataclass(frozen=True)
class WaterDrying:
    """1 - (1 - floor) f, f the largest share of the latent heat taken up so far (0 wet, 1 dry)."""

    floor: float
    id: str = "water"

    def factors(self, temperature_c: ArrayLike, max_dry_fraction: ArrayLike) -> tuple[Array, Array]:
        """Factors at ``max_dry_fraction``; ``temperature_c`` only sets the shape."""
        _, dry = np.broadcast_arrays(np.asarray(temperature_c), np.asarray(max_dry_fraction, dtype=np.float64))
        factor = 1.0 - (1.0 - self.floor) * np.clip(dry, 0.0, 1.0)
        return factor, factor.copy()


@dataclass(frozen=True)
class NoDrying:
    """Constant properties, for verification and for showing what drying changes."""

    id: str = "none"

    def factors(self, temperature_c: ArrayLike, max_dry_fraction: ArrayLike) -> tuple[Array, Array]:
        """Ones in the shape of the inputs."""
        shape = np.broadcast_shapes(np.shape(temperature_c), np.shape(max_dry_fraction))
        return np.ones(shape), np.ones(shape)


@lru_cache(maxsize=256)
def drying(model_id: str, adjustment: DryingAdjustment = AS_PUBLISHED) -> Drying:
    """The drying model "sigmoid", "water" or "none", changed as ``adjustment`` says.

    Raises:
        InputError: there is no such model.
    """
    if model_id == "sigmoid":
        return SigmoidDrying(tuple(read_quantities("drying").items()), adjustment.shift_k)
    if model_id == "water":
        return WaterDrying(constants("drying_floor").value if adjustment.floor is None else adjustment.floor)
    if model_id == "none":
        return NoDrying()
    raise InputError("No drying model of that name.", got=model_id, expected=", ".join((*DRYING_IDS, "none")))


def dried(eps_r: ArrayLike, sigma_s_m: ArrayLike, factors: tuple[Array, Array]) -> tuple[Array, Array]:
    """Permittivity and conductivity after drying; a permittivity never falls below that of vacuum.

    The guard matters for fat and yellow marrow, whose permittivity of 5-11 times the liver's factor at 110 degC
    would fall below 1.
    """
    return np.maximum(np.asarray(eps_r) * factors[0], 1.0), np.asarray(sigma_s_m) * factors[1]
