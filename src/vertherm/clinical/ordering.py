"""Order within graded scales: rank, worst of several, thresholds. Disabled or unordered entries have no rank."""

from __future__ import annotations

from collections.abc import Iterable

from vertherm.clinical.grades import CIRSE_2017, CTCAE, ESCC, RESPONSE, SIR
from vertherm.clinical.vocabulary import Vocabulary
from vertherm.core.errors import InputError

UNRANKED = ("not_assessed", "ne", "unknown")
"""Codes that say that there is no grade."""
HIGH_GRADE_ESCC = ("2", "3")
"""Cord compression; 0 to 1b is low grade, 1c (cord touched) between the two."""
SIR_MAJOR = "C"
"""First major class."""


def rank(scale: Vocabulary, code: str) -> int:
    """Place of a grade in its scale, from 0.

    Raises:
        InputError: the scale does not have this grade, or it is disabled, or it is no grade.
    """
    ranked = tuple(item for item in scale.codes if item not in UNRANKED)
    if code not in ranked:
        disabled = code in scale.labels and code not in scale.codes
        raise InputError(
            "This grade cannot be used." if disabled else "The scale does not have this grade.",
            where=scale.name,
            got=repr(code),
            expected=", ".join(ranked) or "none: the scale is present and disabled",
            advice=scale.source if disabled else "",
        )
    return ranked.index(code)


def highest(scale: Vocabulary, codes: Iterable[str | None]) -> str | None:
    """The highest of several grades; None where there is none. Codes that are no grade are passed over."""
    graded = [code for code in codes if code is not None and code not in UNRANKED]
    return max(graded, key=lambda code: rank(scale, code), default=None)


def worst_response(codes: Iterable[str | None]) -> str | None:
    """The worst imaging response of several lesions (cr, pr, sd, pd); None where none was evaluable."""
    return highest(RESPONSE, codes)


def is_high_grade_escc(code: str | None) -> bool | None:
    """Whether an ESCC grade is 2 or 3; None where it was not assessed.

    Raises:
        InputError: not an ESCC grade.
    """
    if code is None or code == "not_assessed":
        return None
    return rank(ESCC, code) >= rank(ESCC, HIGH_GRADE_ESCC[0])


def is_major(*, cirse: str | None = None, sir: str | None = None, ctcae: str | None = None) -> bool | None:
    """Whether a complication is major by any scale it was graded with: SIR C-F, CIRSE 3-6, CTCAE 3-5; None ungraded.

    That CIRSE 3 and CTCAE 3 are counted as major is a choice of ours.

    Raises:
        InputError: a grade that its scale does not have.
    """
    graded = [
        rank(scale, code) >= rank(scale, least)
        for scale, code, least in ((CIRSE_2017, cirse, "3"), (SIR, sir, SIR_MAJOR), (CTCAE, ctcae, "3"))
        if code is not None
    ]
    return any(graded) if graded else None
