"""Several tests at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vertherm.core.errors import InputError
from vertherm.review.statistics.inputs import Floats, numbers


def holm(p_values: ArrayLike) -> Floats:
    """P-values adjusted by Holm's step-down method; the family-wise error stays below the level.

    The i-th smallest of m p-values is multiplied by m - i + 1; the results are made non-decreasing and cut at 1.
    NaN (a test that could not run) stays NaN and does not count in m.

    Raises:
        InputError: a p-value is below 0 or above 1.

    Source: Holm, Scand J Stat 1979;6:65-70.
    """
    p = numbers(p_values, "p_values")
    run = ~np.isnan(p)
    if np.any((p[run] < 0) | (p[run] > 1)):
        raise InputError("This is no p-value.", where="p_values", got=p[run].tolist(), expected="0 to 1")
    out = np.full(p.size, np.nan)
    tested = p[run]
    order = np.argsort(tested, kind="stable")
    stepped = np.maximum.accumulate(tested[order] * np.arange(tested.size, 0, -1))
    adjusted = np.empty(tested.size)
    adjusted[order] = np.minimum(stepped, 1.0)
    out[run] = adjusted
    return out
