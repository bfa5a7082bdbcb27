"""Oswestry Disability Index: percentage from its ten sections.

The questionnaire is copyrighted, so no text of it is kept: sections are known by their number, 1 to 10, and their
scores, 0 to 5. Certainty: that the percentage is taken over the answered sections is the common rule and recalled
[R]; that fewer than eight answers give no percentage is a rule of ours [ours]; the bands are recalled [R].
"""

from __future__ import annotations

from collections.abc import Sequence

from vertherm.clinical.vocabulary import Term, Vocabulary
from vertherm.core.errors import InputError

SECTIONS = 10
HIGHEST = 5
LEAST_ANSWERED = 8
"""Answered sections from which a percentage is given; fewer give none (rule of ours)."""
RULE = (
    f"100 x sum / ({HIGHEST} x answered sections), at least {LEAST_ANSWERED} of {SECTIONS} answered "
    "(percentage over answered sections: recalled; least number: rule of this program)"
)
"""The rule in words, for methods paragraphs and data dictionaries."""
BANDS = Vocabulary(
    "odi_band",
    (
        Term("minimal", "0-20 %: minimal disability", verified=False),
        Term("moderate", "21-40 %: moderate disability", verified=False),
        Term("severe", "41-60 %: severe disability", verified=False),
        Term("crippled", "61-80 %: crippling", verified=False),
        Term("bed_bound", "81-100 %: bed-bound", verified=False),
    ),
    "ODI bands, recalled",
)
CLINICALLY_IMPORTANT = 12.8
"""Difference in percentage points that matters to a patient: Copay 2008, recalled [R]."""
_UPPER = (20.0, 40.0, 60.0, 80.0, 100.0)


def percent(items: Sequence[int | None]) -> float | None:
    """Percentage of disability from the ten section scores.

    Args:
        items: ten scores of 0-5 in order of the sections, None where a section was not answered.

    Returns:
        0-100 %, not rounded; None where fewer than eight sections were answered (:data:`RULE`).

    Raises:
        InputError: not ten sections, or a score that is no whole number of 0-5.
    """
    if len(items) != SECTIONS:
        raise InputError("The ODI has ten sections.", got=f"{len(items)} scores", expected="10, None where unanswered")
    answered = [_score(number, value) for number, value in enumerate(items, start=1) if value is not None]
    if len(answered) < LEAST_ANSWERED:
        return None
    return 100.0 * sum(answered) / (HIGHEST * len(answered))


def _score(number: int, value: int) -> int:
    if isinstance(value, bool) or value != int(value) or not 0 <= value <= HIGHEST:
        raise InputError(
            "This is not the score of an ODI section.",
            where=f"section {number}",
            got=repr(value),
            expected=f"a whole number of 0-{HIGHEST}, or nothing",
        )
    return int(value)


def band(value: float) -> str:
    """Code of the band of a percentage (:data:`BANDS`); a value between two bands' printed limits goes up.

    Raises:
        InputError: outside 0-100 %.
    """
    if not 0.0 <= value <= 100.0:
        raise InputError("An ODI lies between 0 and 100 %.", got=value)
    return next(code for code, upper in zip(BANDS.codes, _UPPER, strict=True) if value <= upper)
