"""Dielectric properties of tissue at any frequency: the 4-Cole-Cole model and volume mixtures of it.

Source of the model and most parameters: Gabriel, Lau, Gabriel 1996, Phys Med Biol 41:2271. Time convention
exp(+j w t), so that the complex relative permittivity is eps_r - j sigma / (w eps_0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from vertherm.core.errors import InputError, MissingValueError
from vertherm.materials.quantity import Certainty, certainty_of, number, read_table

VACUUM_PERMITTIVITY = 8.8541878128e-12
"""F/m, CODATA 2018."""


class Dielectric(Protocol):
    """Anything with a permittivity and a conductivity at a frequency."""

    def at(self, frequency_hz: float) -> tuple[float, float]:
        """Relative permittivity and conductivity in S/m at 37 degC."""


def _angular(frequency_hz: float) -> float:
    if not (math.isfinite(frequency_hz) and frequency_hz > 0):
        raise InputError("The frequency is unusable.", got=frequency_hz, expected="a positive number of Hz")
    return 2.0 * math.pi * frequency_hz


@dataclass(frozen=True)
class ColeCole4:
    """Sum of up to four Cole-Cole terms: eps_inf + sum d / (1 + (j w tau)^(1-a)) + sigma_i / (j w eps_0).

    Args:
        eps_inf: permittivity far above all relaxations.
        terms: (step d, time tau in s, broadening a) per dispersion.
        sigma_i_s_m: static ionic conductivity in S/m.
        source: where the parameters were read.
        certainty: certainty of the parameters.
    """

    eps_inf: float
    terms: tuple[tuple[float, float, float], ...]
    sigma_i_s_m: float
    source: str
    certainty: Certainty

    def at(self, frequency_hz: float) -> tuple[float, float]:
        """Relative permittivity and conductivity in S/m at ``frequency_hz``.

        Raises:
            InputError: the frequency is not positive and finite.
        """
        w = _angular(frequency_hz)
        eps = complex(self.eps_inf)
        for step, tau, a in self.terms:
            eps += step / (1.0 + (1j * w * tau) ** (1.0 - a))
        return eps.real, self.sigma_i_s_m - eps.imag * w * VACUUM_PERMITTIVITY


@dataclass(frozen=True)
class Mixture:
    """Volume-weighted mean of the complex permittivities of its parts.

    The linear rule is the upper Wiener bound; it is exact for layers along the field and overstates otherwise.
    """

    parts: tuple[tuple[Dielectric, float], ...]

    def __post_init__(self) -> None:
        total = sum(weight for _, weight in self.parts)
        if abs(total - 1.0) > 1e-6 or any(weight < 0 for _, weight in self.parts):
            raise InputError("The weights of a mixture are unusable.", got=total, expected="non-negative, sum 1")

    def at(self, frequency_hz: float) -> tuple[float, float]:
        """Relative permittivity and conductivity in S/m at ``frequency_hz``."""
        values = [(part.at(frequency_hz), weight) for part, weight in self.parts]
        return sum(v[0] * w for v, w in values), sum(v[1] * w for v, w in values)


@cache
def cole_cole(key: str) -> ColeCole4:
    """The parameter row ``key`` of ``data/dielectric.csv``.

    Raises:
        MissingValueError: there is no such row, or a cell of it is empty.
    """
    for row in read_table("dielectric"):
        if row["key"] == key:
            where = f"dielectric.csv: {key}"
            terms = tuple(
                (number(row, f"d{i}", where), number(row, f"tau{i}_s", where), number(row, f"a{i}", where))
                for i in (1, 2, 3, 4)
            )
            return ColeCole4(
                number(row, "eps_inf", where),
                tuple(term for term in terms if term[0] != 0.0),
                number(row, "sigma_i_s_m", where),
                row["source"],
                certainty_of(row["certainty"], where),
            )
    raise MissingValueError("No dielectric row of that name.", where="materials/data/dielectric.csv", got=key)
