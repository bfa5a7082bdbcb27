"""What the antennas gave: one row per interval between two solves, and per pause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vertherm.heat.emission import Emitted, Heating

COLUMNS = ("time_s", "duration_s", "forward_w", "net_w", "absorbed_w", "reflection_db")


@dataclass(eq=False)
class PowerLog:
    """Forward, net and absorbed power, summed over the antennas that fire.

    Forward and net are those of the model. Absorbed counts efficiency and redistribution: what heats tissue. Where a
    calibrated efficiency asks for more than the model's net power, the device gave more than was believed; forward and
    net then are raised with it, so that absorbed <= net <= forward stays true.
    """

    rows: list[tuple[float, ...]] = field(default_factory=list)

    def add(self, time_s: float, duration_s: float, scale: float, heating: Heating) -> None:
        """One interval; ``scale`` is the control's mean."""
        forward = net = absorbed = 0.0
        for one, power in zip(heating.emitted, heating.forward_w, strict=True):
            excess = max(1.0, one.absorbed_w / one.solution.net_w)
            forward += power * excess
            net += power * one.solution.net_w * excess
            absorbed += power * one.absorbed_w
        reflection = _reflection_db(heating.emitted, forward, net)
        self.rows.append((time_s, duration_s, forward * scale, net * scale, absorbed * scale, reflection))

    def pause(self, time_s: float, duration_s: float) -> None:
        """An interval without power."""
        self.rows.append((time_s, duration_s, 0.0, 0.0, 0.0, 0.0))

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The rows as columns."""
        return {name: np.array([row[n] for row in self.rows], dtype=np.float64) for n, name in enumerate(COLUMNS)}


def _reflection_db(emitted: Sequence[Emitted], forward_w: float, net_w: float) -> float:
    """Return level of one antenna; of several, that of their summed powers."""
    if len(emitted) == 1:
        return emitted[0].solution.s11_db
    if forward_w <= 0.0:
        return 0.0
    return float(10.0 * np.log10(max(1.0 - net_w / forward_w, 1e-15)))
