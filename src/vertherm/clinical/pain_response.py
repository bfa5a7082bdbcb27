"""Who responded: definitions of pain response on arrays of scores (0-10) and opioid doses.

Everywhere NaN means not known; a result that needs it is NaN or ``not_evaluable``. Sources: 2 points as the clinically
important difference, and the responses by score alone and integrated, as in facts of this project (read); the
international consensus of 2012 (Chow et al., Int J Radiat Oncol Biol Phys 2012;82:1730) was recalled, not read [R].
Of the analgesics only opioids are known here, as oral morphine equivalents (OMEQ).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertherm.clinical.vocabulary import Term, Vocabulary

IMPORTANT_POINTS = 2.0
"""Clinically important fall of a 0-10 score."""
OPIOID_CHANGE = 0.25
"""Relative change of the opioid dose that the consensus counts [R]."""
CONSENSUS = Vocabulary(
    "pain_response",
    (
        Term("complete", "complete response", verified=False),
        Term("partial", "partial response", verified=False),
        Term("progression", "pain progression", verified=False),
        Term("indeterminate", "indeterminate", verified=False),
        Term("not_evaluable", "not evaluable"),
    ),
    "international consensus 2012 (Chow et al.), recalled",
)
CONSENSUS_RULE = (
    "complete: pain 0 without a rise of OMEQ; partial: pain falls by 2 points or more without a rise of OMEQ, or OMEQ "
    "falls by 25 % or more without a rise of pain; progression: pain rises by 2 points or more without a fall of OMEQ, "
    "or OMEQ rises by 25 % or more without a fall of pain; everything else is indeterminate"
)
"""The consensus as it is computed here, for methods paragraphs."""
_ROUNDING = 1e-9

Numbers = NDArray[np.float64]


def fell_by_points(before: ArrayLike, after: ArrayLike, points: float = IMPORTANT_POINTS) -> Numbers:
    """1 where the score fell by at least ``points``, else 0; NaN where a score is not known."""
    a, b = _numbers(before, after)
    return _known(a - b >= points - _ROUNDING, a, b)


def fell_by_share(before: ArrayLike, after: ArrayLike, share: float) -> Numbers:
    """1 where the score fell by at least ``share`` (0.3, 0.5) of what it was, else 0.

    NaN where a score is not known, and where there was no pain before: nothing can fall.
    """
    a, b = _numbers(before, after)
    out = _known(a - b >= share * a - _ROUNDING, a, b)
    out[a <= 0.0] = np.nan
    return out


def by_score(before: ArrayLike, after: ArrayLike) -> Numbers:
    """Response by the score alone: 1 where it fell to 0, by 2 points or more, or by half or more; else 0, or NaN.

    NaN, too, where there was no pain before.
    """
    a, b = _numbers(before, after)
    fall = a - b
    fell = (b <= 0.0) | (fall >= IMPORTANT_POINTS - _ROUNDING) | (fall >= 0.5 * a - _ROUNDING)
    out = _known(fell, a, b)
    out[a <= 0.0] = np.nan
    return out


def integrated(before: ArrayLike, after: ArrayLike, opioid_before: ArrayLike, opioid_after: ArrayLike) -> Numbers:
    """Response by score and opioids: 1 where pain fell by 2 points or more without a rise of OMEQ, or OMEQ by half.

    The second holds only with a stable score, read as a change of less than 2 points. Doses in mg/day. NaN where any of
    the four is not known.
    """
    a, b, dose_a, dose_b = _numbers(before, after, opioid_before, opioid_after)
    change = b - a
    less_pain = (change <= -IMPORTANT_POINTS + _ROUNDING) & (dose_b <= dose_a + _ROUNDING)
    stable = np.abs(change) < IMPORTANT_POINTS - _ROUNDING
    fewer = stable & (dose_a > 0.0) & (dose_b <= 0.5 * dose_a + _ROUNDING)
    return _known(less_pain | fewer, a, b, dose_a, dose_b)


def consensus(
    before: ArrayLike, after: ArrayLike, opioid_before: ArrayLike, opioid_after: ArrayLike
) -> NDArray[np.str_]:
    """Code of :data:`CONSENSUS` for each patient, by :data:`CONSENSUS_RULE` [R].

    Args:
        before, after: pain 0-10; NaN where not known.
        opioid_before, opioid_after: OMEQ in mg/day; NaN where not known. A rise from none counts as a rise by 25 %.
    """
    a, b, dose_a, dose_b = _numbers(before, after, opioid_before, opioid_after)
    change = b - a
    rise = dose_b > dose_a + _ROUNDING
    fall = dose_b < dose_a - _ROUNDING
    big_rise = rise & (dose_b >= (1.0 + OPIOID_CHANGE) * dose_a - _ROUNDING)
    big_fall = fall & (dose_b <= (1.0 - OPIOID_CHANGE) * dose_a + _ROUNDING)
    complete = (a > 0.0) & (b <= 0.0) & ~rise
    partial = ((change <= -IMPORTANT_POINTS + _ROUNDING) & ~rise) | (big_fall & (change <= _ROUNDING))
    progression = ((change >= IMPORTANT_POINTS - _ROUNDING) & ~fall) | (big_rise & (change >= -_ROUNDING))
    known = ~np.isnan(a + b + dose_a + dose_b)
    return np.select(
        [~known, complete, partial, progression],
        ["not_evaluable", "complete", "partial", "progression"],
        default="indeterminate",
    )


def _numbers(*values: ArrayLike) -> tuple[Numbers, ...]:
    return tuple(np.broadcast_arrays(*(np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in values)))


def _known(condition: NDArray[np.bool_], *needed: Numbers) -> Numbers:
    out = condition.astype(np.float64)
    for values in needed:
        out[np.isnan(values)] = np.nan
    return out
