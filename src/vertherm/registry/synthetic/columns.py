"""Rows made column by column, for series too large to be made patient by patient.

Values come from pools of Python objects, so that a hundred thousand patients share one object for the same date, code
or number: a row then costs little more than its tuple.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from vertherm.registry.records import Row, Value
from vertherm.registry.schema.catalogue import BY_NAME

Indices = NDArray[np.int64]
Column = Sequence[Value] | NDArray


def rows(entity: str, n: int, **columns: Column | Value) -> list[Row]:
    """``n`` rows of an entity; a column is a sequence of n values or one value for all, others stay empty.

    Raises:
        KeyError: a name that the entity does not have.
        ValueError: a column of another length.
    """
    names = BY_NAME[entity].columns
    unknown = set(columns) - set(names)
    if unknown:
        raise KeyError(f"{entity} has no {', '.join(sorted(unknown))}")
    return list(zip(*(_values(columns.get(name), n) for name in names), strict=True))


def _values(column: Column | Value, n: int) -> Iterable[Value]:
    if isinstance(column, np.ndarray):
        return list(column.tolist())
    if isinstance(column, (list, tuple)):
        return column
    return repeat(column, n)  # type: ignore[arg-type]


def pick(pool: Sequence[Value], indices: NDArray) -> NDArray:
    """Objects of a pool by index."""
    return _objects(pool)[indices]


def draw(rng: np.random.Generator, pool: Sequence[Value], weights: Sequence[float], n: int) -> NDArray:
    """``n`` objects of a pool drawn with these weights."""
    share = np.asarray(weights, dtype=float)
    return pick(pool, rng.choice(len(pool), size=n, p=share / share.sum()))


def where(condition: NDArray[np.bool_], values: NDArray, otherwise: NDArray | Value = None) -> NDArray:
    """``values`` as objects where the condition holds, ``otherwise`` elsewhere."""
    out = np.full(len(condition), None, dtype=object)
    out[condition] = (
        np.asarray(values[condition], dtype=object) if values.dtype == object else values[condition].tolist()
    )
    rest = ~condition
    out[rest] = otherwise[rest] if isinstance(otherwise, np.ndarray) else otherwise
    return out


def numbered(groups: NDArray) -> Indices:
    """Running number from 1 within each group; equal groups must lie together."""
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    lengths = np.diff(np.append(starts, len(groups)))
    return np.arange(len(groups)) - np.repeat(starts, lengths) + 1


def _objects(pool: Sequence[Value]) -> NDArray:
    out = np.empty(len(pool), dtype=object)
    out[:] = list(pool)
    return out
