"""Checks that every method makes of its arrays before it computes anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertherm.core.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def numbers(values: ArrayLike, name: str) -> Floats:
    """A vector of floats in which NaN stands for missing.

    Raises:
        InputError: it is no vector of numbers, or it holds an infinite number.
    """
    try:
        out = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("These values are not numbers.", where=name, got=error, expected="numbers or NaN") from error
    if out.ndim != 1:
        raise InputError("These values are not one column.", where=name, got=f"shape {out.shape}", expected="a vector")
    if np.isinf(out).any():
        raise InputError("An infinite value has no place here.", where=name, got="inf", expected="finite or NaN")
    return out


def complete(values: ArrayLike, name: str) -> Floats:
    """A vector of finite floats.

    Raises:
        InputError: as ``numbers``, or a value is missing.
    """
    out = numbers(values, name)
    if np.isnan(out).any():
        missing = int(np.isnan(out).sum())
        raise InputError("A value is missing.", where=name, got=f"{missing} missing of {out.size}", expected="none")
    return out


def same_length(**columns: NDArray[Any]) -> int:
    """The common length of the columns.

    Raises:
        InputError: the lengths differ.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError("The columns differ in length.", where=", ".join(lengths), got=lengths, expected="one length")
    return next(iter(lengths.values()))


def confidence_level(level: float) -> float:
    """The confidence level itself, once it is known to be one.

    Raises:
        InputError: it is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise InputError("This is no confidence level.", where="level", got=level, expected="between 0 and 1")
    return float(level)


def _is_missing(value: Any) -> bool:
    # NaN differs from itself; pandas.NA answers every comparison with itself.
    return value is None or not isinstance(value == value, (bool, np.bool_)) or not bool(value == value)


def labels(values: Any, name: str) -> tuple[NDArray[Any], Integers]:
    """Distinct labels in sorted order, and for each value the position of its label.

    Raises:
        InputError: the values are no column, a label is missing, or the labels cannot be sorted.
    """
    column = np.asarray(values)
    if column.ndim != 1:
        raise InputError("These labels are not one column.", where=name, got=f"shape {column.shape}", expected="vector")
    if any(_is_missing(one) for one in column) if column.dtype.kind == "O" else np.any(column != column):
        raise InputError("A label is missing.", where=name, got="None or NaN", expected="a label in every row")
    try:
        distinct, position = np.unique(column, return_inverse=True)
    except TypeError as error:
        raise InputError("These labels cannot be sorted.", where=name, got=error, expected="one type") from error
    return distinct, position.astype(np.int64)
