"""Validation rows of the cement: its front, its heat, the strength that it gives back."""

from __future__ import annotations

from vertherm.validation.case import Case
from vertherm.validation.cement_curing import curing_cases
from vertherm.validation.cement_front import front_cases
from vertherm.validation.cement_strength import strength_cases
from vertherm.validation.evidence import Evidence

EVIDENCE = Evidence(
    title="Cement: front, curing heat, strength",
    question="Does cement go where Darcy's law sends it, does curing give off the heat that its kinetics hold, and do "
    "the voxel elements carry what elasticity says?",
    context="Volume, distance to the canal and pressure are read from the front; the temperature beside nerves from "
    "the curing on top of the ablation; what a vertebra gains from the elements.",
    evidence="Front: a ball, the resistance of a needle of one cell (Watson's lattice integral), layers side by side "
    "and one behind the other, a channel; tolerances are fractions of a cell of 1 mm. Curing: the logistic law, the "
    "adiabatic rise, heat released against heat held, and a slab between bone against an independent stiff solution "
    "(0.5 K of 30 at 1 mm). Strength: fields that the elements hold exactly, a core in a sleeve (staircase of the "
    "circle: 2 %), the order of a cantilever, and scikit-fem with a direct solution.",
    unknown="Everything that the closed forms leave out: veins and defects that nobody can see, marrow that is not one "
    "liquid, cement that sets while it flows, cracked interfaces, yielding bone. No tested vertebra stands behind it; "
    "temperatures of cadavers stand with the published work.",
)


def cases() -> list[Case]:
    """Rows for ``vertherm validate``."""
    return [*front_cases(), *curing_cases(), *strength_cases()]
