"""Performance status: ECOG and Karnofsky, their ranges and the table between them (recalled [R])."""

from __future__ import annotations

from vertherm.core.errors import InputError

WORST_ECOG = 5
_ECOG_FROM = ((90, 0), (70, 1), (50, 2), (30, 3), (10, 4), (0, 5))


def check(scale: str, value: int) -> int:
    """The value itself, when the scale has it.

    Args:
        scale: ``ecog`` (0-5) or ``kps`` (0-100 in tens).
        value: performance status.

    Raises:
        InputError: another scale, or a value outside it.
    """
    if scale == "ecog" and 0 <= value <= WORST_ECOG:
        return value
    if scale == "kps" and 0 <= value <= 100 and value % 10 == 0:
        return value
    raise InputError(
        "This is not a performance status.",
        got=f"{scale} {value}",
        expected="ecog 0-5, or kps 0-100 in tens",
    )


def ecog(scale: str, value: int) -> int:
    """ECOG status of a value on either scale; Karnofsky by the usual table [R]: 90-100 is 0, 70-80 is 1, and so on.

    Raises:
        InputError: not a performance status.
    """
    known = check(scale, value)
    if scale == "ecog":
        return known
    return next(status for least, status in _ECOG_FROM if known >= least)
