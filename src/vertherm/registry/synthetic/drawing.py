"""Drawing to given margins: samples whose median, mean and standard deviation are exact at a printed precision.

Each sample is drawn first and then adjusted, so that the margin holds for every seed. Standard deviations are those of
a sample (n - 1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MOST_STEPS = 100_000
Numbers = NDArray[np.float64]


def scores_by_median(
    rng: np.random.Generator, n: int, *, median: int, sd: float, low: int, high: int, digits: int = 1
) -> NDArray[np.int64]:
    """Whole numbers in ``low..high``, sorted, with this median and, printed with ``digits``, this standard deviation.

    Raises:
        ValueError: no such sample was found.
    """
    values = np.sort(np.clip(np.rint(rng.normal(median, sd, n)), low, high)).astype(np.int64)
    below, above = (n - 1) // 2, n // 2
    values[: above + 1] = np.minimum(values[: above + 1], median)
    values[below:] = np.maximum(values[below:], median)
    lows, highs = np.full(n, low), np.full(n, high)
    highs[: above + 1] = median
    lows[below:] = median
    for _ in range(_MOST_STEPS):
        have = values.std(ddof=1)
        if round(float(have), digits) == round(sd, digits) and abs(have - sd) < 0.3 * 10.0**-digits:
            return np.sort(values)
        i = int(rng.integers(n))
        _step(values, i, +1 if rng.random() < 0.5 else -1, sd, lows[i], highs[i])
    raise ValueError(f"no {n} scores with median {median} and standard deviation {sd}")


def _step(values: NDArray[np.int64], i: int, step: int, sd: float, low: int, high: int) -> None:
    """Move one value by ``step`` where that brings the standard deviation nearer."""
    old = values[i]
    if not low <= old + step <= high:
        return
    before = abs(values.std(ddof=1) - sd)
    values[i] = old + step
    if abs(values.std(ddof=1) - sd) >= before:
        values[i] = old


def scores_by_mean(
    rng: np.random.Generator, n: int, *, mean: float, sd: float, low: int, high: int
) -> NDArray[np.int64]:
    """Whole numbers in ``low..high``, sorted, whose mean and standard deviation print, with one digit, as given.

    Raises:
        ValueError: no such sample was found.
    """
    values = np.clip(np.rint(rng.normal(mean, sd, n)), low, high).astype(np.int64)
    target = round(mean * n)
    while values.sum() != target:
        i = int(rng.integers(n))
        values[i] = np.clip(values[i] + np.sign(target - values.sum()), low, high)
    for _ in range(_MOST_STEPS):
        if abs(values.std(ddof=1) - sd) < 0.03:
            return np.sort(values)
        i, j = (int(item) for item in rng.integers(n, size=2))
        # One up, one down: the mean stays.
        if i == j or values[i] + 1 > high or values[j] - 1 < low:
            continue
        before = abs(values.std(ddof=1) - sd)
        values[i] += 1
        values[j] -= 1
        if abs(values.std(ddof=1) - sd) >= before:
            values[i] -= 1
            values[j] += 1
    raise ValueError(f"no {n} scores with mean {mean} and standard deviation {sd}")


def amounts_by_median(
    rng: np.random.Generator, n: int, *, median: float, sd: float, least: float, digits: int
) -> Numbers:
    """Amounts of at least ``least``, rounded to ``digits``, with exactly this median and near this standard deviation.

    The standard deviation is met within 2 %. The deviations from the median are scaled, which keeps the median; values
    that would fall below ``least`` stop there.

    Raises:
        ValueError: no such sample was found.
    """
    deviations = np.sort(rng.normal(0.0, sd, n))
    below, above = (n - 1) // 2, n // 2
    deviations[: above + 1] = np.minimum(deviations[: above + 1], 0.0)
    deviations[below:] = np.maximum(deviations[below:], 0.0)
    deviations[below : above + 1] = 0.0
    scale = 1.0
    for _ in range(200):
        values: Numbers = np.round(np.maximum(median + scale * deviations, least), digits).astype(np.float64)
        have = values.std(ddof=1)
        if abs(have - sd) < 0.02 * sd:
            return values
        scale *= sd / have
    raise ValueError(f"no {n} amounts with median {median} and standard deviation {sd}")


def ranked(values: Sequence[float] | NDArray, latent: NDArray) -> NDArray:
    """``values`` put in the order of ``latent``: the smallest value goes where ``latent`` is smallest."""
    out = np.empty(len(latent), dtype=np.asarray(values).dtype)
    out[np.argsort(latent, kind="stable")] = np.sort(values)
    return out


def correlated(rng: np.random.Generator, base: NDArray, correlation: float) -> Numbers:
    """Standard normal numbers with this correlation to ``base``, which is standard normal itself."""
    noise = rng.standard_normal(len(base))
    return np.asarray(correlation * base + np.sqrt(1.0 - correlation**2) * noise)


def spread(rng: np.random.Generator, total: int, groups: int, most: int) -> NDArray[np.int64]:
    """``total`` things over ``groups``, one each at least and ``most`` at most, the rest at random."""
    counts = np.ones(groups, dtype=np.int64)
    while counts.sum() < total:
        i = int(rng.integers(groups))
        counts[i] += counts[i] < most
    return counts


def shuffled(rng: np.random.Generator, counts: dict[str, int]) -> list[str]:
    """Every name as often as its count says, in random order."""
    names = [name for name, count in counts.items() for _ in range(count)]
    return [names[i] for i in rng.permutation(len(names))]
