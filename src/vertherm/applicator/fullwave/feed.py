"""How much the antenna takes once the tissue is no longer its azimuthal mean.

The march closes the antenna's metal: it keeps the voltage at the feed as it was. What it finds has the right shape, but
the amplitude is still that voltage's. The change of the reflection at the port follows from the reciprocity theorem,

    S11 - S11_axisymmetric = -1 / (4 P) integral of (d sigma + j w d eps) E_axisymmetric . E dV      (P = 1 W forward),

and the amplitude from the power balance: the share of the net power that heats the block stays what it was. The
change is of second order in the contrast when the medium is the azimuthal mean, because E_axisymmetric . E_axisymmetric
does not depend on the azimuth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Feed:
    """``amplitude``: factor on the marched field; ``s11``: reflection at the port with the patient's own tissue."""

    amplitude: float
    s11: complex


def match(s11: complex, reaction_w: complex, marched_w: float, axisymmetric_w: float) -> Feed:
    """Amplitude and reflection that fulfil both conditions (a few fixed-point steps).

    Args:
        s11: reflection of the axisymmetric solution.
        reaction_w: integral of contrast currents times the total marched field, in W.
        marched_w: power that the marched field deposits in the block, per W forward.
        axisymmetric_w: the same of the axisymmetric field in its own medium.
    """
    if not (marched_w > 0 and axisymmetric_w > 0):
        return Feed(1.0, s11)
    net = 1.0 - abs(s11) ** 2
    amplitude, changed = 1.0, s11
    for _ in range(20):
        changed = s11 - amplitude * reaction_w / 4
        share = np.clip(1.0 - abs(changed) ** 2, 0.0, 1.0) / net
        amplitude = float(np.sqrt(share * axisymmetric_w / marched_w))
    return Feed(amplitude, complex(changed))
