"""What the ablation leaves for the cement: temperatures some time after the last switch-off, doses, the dead zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.after_ablation import AblationState, ablation_state
from vertherm.core.progress import Progress, silent
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.member import Member
from vertherm.planning.case import CaseFile
from vertherm.planning.evaluate import zone_field
from vertherm.planning.objects import Case, Numerics, Treatment
from vertherm.planning.prepare import treatment_of
from vertherm.planning.protection.protection import with_protection
from vertherm.planning.protocol import Protocol
from vertherm.planning.setup import make_setup

DELAYS_S = (0.0, 120.0, 300.0, 600.0, 1200.0)
"""Delays between switch-off and cement that are looked at, besides the chosen one."""


@dataclass(frozen=True, eq=False)
class Ablation:
    """The ablation that goes before the cement.

    Args:
        treatment: antennas and schedule.
        member: the model choices of its heat, no cooling by vessels: the cautious reading.
        grid: heat grid of the states.
        states: by delay in s after the last switch-off.
        zone: bool, what it coagulates by the protocol's metric.
    """

    treatment: Treatment
    member: Member
    grid: Grid
    states: Mapping[float, AblationState]
    zone: Volume

    def at(self, delay_s: float) -> AblationState:
        """The state at a delay that was looked at; the nearest one."""
        return self.states[min(self.states, key=lambda known: abs(known - delay_s))]


def given_ablation(case: Case, protocol: Protocol, entry: CaseFile, progress: Progress = silent) -> Ablation | None:
    """The ablation that the case file describes; None where it describes none."""
    if not entry.applicators or entry.schedule is None:
        return None
    treatment = with_protection(treatment_of(entry), entry.protection, case)
    stated = entry.cement.ablation_delay_s if entry.cement is not None else None
    delay = protocol.cement.ablation_delay_s if stated is None else stated
    return ablation_of(case, treatment, protocol, entry.numerics, [delay], progress)


def ablation_of(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    numerics: Numerics,
    delays_s: Sequence[float],
    progress: Progress = silent,
) -> Ablation:
    """Run the nominal member and keep what it leaves at every delay.

    Raises:
        InputError: the treatment does not fit the anatomy.
        SolverError: a field stopped being finite.
    """
    progress("ablation before the cement", 0.0)
    setup = make_setup(case, treatment, protocol, numerics)
    member = Member(power="net" if treatment.power_kind == "net" else "forward")
    states = ablation_state(setup, member, sorted({*DELAYS_S, *delays_s}))
    grid = setup.tissue.grid
    zone = Volume(_dead(states[max(states)], protocol), grid)
    progress("ablation before the cement", 1.0)
    return Ablation(treatment, member, grid, states, zone)


def _dead(state: AblationState, protocol: Protocol) -> NDArray[np.bool_]:
    metric = protocol.metric(protocol.coverage_metric)
    field, level = zone_field(getattr(state, metric.field), metric.field, metric.level)
    return np.asarray(field >= level)
