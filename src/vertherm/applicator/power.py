"""Set, forward, net and absorbed power: four numbers that are never mixed up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vertherm.applicator.axisymmetric import AxisymmetricSolution
from vertherm.core.errors import InputError


class PowerKind(StrEnum):
    """Which power a number means."""

    SET = "set"
    """What the generator shows: forward power at its own socket."""
    FORWARD = "forward"
    """Incident at the antenna's feed port, after the cable."""
    NET = "net"
    """Forward minus reflected at the feed port."""
    ABSORBED = "absorbed"
    """Turned into heat in the medium around the antenna."""


@dataclass(frozen=True)
class PowerBudget:
    """One operating point, all in watts.

    Attributes:
        set_w: at the generator.
        forward_w: incident at the feed port.
        reflected_w: going back from the feed port.
        net_w: forward minus reflected.
        absorbed_w: heat in the tissue inside the computing domain.
        cable_loss_w: heat in the cable on the way forward.
    """

    set_w: float
    forward_w: float
    reflected_w: float
    net_w: float
    absorbed_w: float
    cable_loss_w: float

    def of(self, kind: PowerKind | str) -> float:
        """The power of one kind in watts."""
        return float(getattr(self, f"{PowerKind(kind).value}_w"))


@dataclass(frozen=True)
class PowerChain:
    """From the generator to the tissue.

    Args:
        cable_db: loss of the cable and the shaft down to the feed port, in dB, not negative.
        reflection: |S11|^2 at the feed port.
        absorbed_per_forward: share of the forward power absorbed in the tissue.
    """

    cable_db: float
    reflection: float
    absorbed_per_forward: float

    def __post_init__(self) -> None:
        if self.cable_db < 0 or not 0 <= self.reflection < 1 or not 0 < self.absorbed_per_forward <= 1:
            raise InputError(
                "The power chain of the antenna is unphysical.",
                got=f"{self.cable_db} dB, |S11|^2 {self.reflection:.4g}, absorbed {self.absorbed_per_forward:.4g}",
                expected="cable >= 0 dB, 0 <= |S11|^2 < 1, 0 < absorbed share <= 1",
            )

    @staticmethod
    def of(solution: AxisymmetricSolution, cable_db: float) -> PowerChain:
        """The chain of a solved antenna behind a cable."""
        return PowerChain(cable_db, abs(solution.s11) ** 2, solution.efficiency)

    @property
    def forward_per_set(self) -> float:
        """Share of the set power that arrives at the feed port."""
        return float(10 ** (-self.cable_db / 10))

    def budget(self, power_w: float, kind: PowerKind | str) -> PowerBudget:
        """The operating point at which the power of ``kind`` is ``power_w``.

        Raises:
            InputError: negative power or unknown kind.
        """
        if not power_w >= 0:
            raise InputError("A power must not be negative.", got=f"{power_w} W", expected=">= 0 W")
        try:
            per_forward = {
                PowerKind.SET: 1 / self.forward_per_set,
                PowerKind.FORWARD: 1.0,
                PowerKind.NET: 1 - self.reflection,
                PowerKind.ABSORBED: self.absorbed_per_forward,
            }[PowerKind(kind)]
        except ValueError as error:
            raise InputError("Unknown kind of power.", got=kind, expected=", ".join(PowerKind)) from error
        forward = power_w / per_forward
        return PowerBudget(
            set_w=forward / self.forward_per_set,
            forward_w=forward,
            reflected_w=forward * self.reflection,
            net_w=forward * (1 - self.reflection),
            absorbed_w=forward * self.absorbed_per_forward,
            cable_loss_w=forward * (1 / self.forward_per_set - 1),
        )
