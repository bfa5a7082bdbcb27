# mypy: disable-error-code="no-untyped-def, no-untyped-call, import-untyped"
# ruff: noqa: ARG001 (numba asks for these signatures)
"""Threads that run one compiled function together and meet inside it, without going back to Python.

A sweep over the grid takes a millisecond or two. Handing each of them to a thread pool costs a good part of that: two
context switches a sweep, and the system often wakes both workers on one core. Here the calling thread works too, the
others are called once for a whole time step, and between sweeps all meet at a barrier in compiled code. Waiting threads
spin briefly and then offer their core to others, so that a busy machine does not stall.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

OPTIONS = {"nogil": True, "error_model": "numpy", "cache": True}
SPINS = 2000
"""Looks at the barrier before a waiting thread gives its core away: some microseconds."""


def _cell(context, builder, array_type, array, index):
    made = context.make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, array_type, made, [index])


@intrinsic
def _add(typing_context, array, index):
    """Atomic array[index] += 1; returns the value before."""

    def codegen(context, builder, signature, args):
        place = _cell(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("add", place, ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(array, types.intp), codegen


@intrinsic
def _load(typing_context, array, index):
    """Atomic read of array[index]."""

    def codegen(context, builder, signature, args):
        place = _cell(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(place, "seq_cst", 8)

    return types.int64(array, types.intp), codegen


@intrinsic
def _store(typing_context, array, index, value):
    """Atomic array[index] = value."""

    def codegen(context, builder, signature, args):
        place = _cell(context, builder, signature.args[0], args[0], args[1])
        builder.store_atomic(args[2], place, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), codegen


@intrinsic
def _give_way(typing_context):
    """Offer the core to another thread."""
    name = "SwitchToThread" if os.name == "nt" else "sched_yield"

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(ir.IntType(32), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return types.void(), codegen


@njit(**OPTIONS)
def meet(barrier, threads):
    """Wait until all ``threads`` are here. ``barrier``: int64, entry 0 counts arrivals, entry 8 counts meetings."""
    if threads == 1:
        return
    meeting = _load(barrier, 8)
    if _add(barrier, 0) == threads - 1:
        _store(barrier, 0, np.int64(0))
        _add(barrier, 8)
        return
    looks = 0
    while _load(barrier, 8) == meeting:
        looks += 1
        if looks > SPINS:
            _give_way()


class Team:
    """The calling thread and ``threads - 1`` others.

    Args:
        threads: how many share the work, at least 1.
    """

    def __init__(self, threads: int) -> None:
        self.threads = max(1, int(threads))
        self._pool = ThreadPoolExecutor(self.threads - 1) if self.threads > 1 else None
        # The two counters lie on cache lines of their own.
        self._barrier = np.zeros(16, dtype=np.int64)

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def run(self, function: Callable[..., None], *args: Any) -> None:
        """Call ``function(*args, barrier, thread, threads)`` in every thread; returns when all have finished.

        ``function`` is compiled, releases the interpreter lock, raises nothing, and meets the same number of times in
        every thread.
        """
        if self._pool is None:
            function(*args, self._barrier, 0, 1)
            return
        others = [self._pool.submit(function, *args, self._barrier, n, self.threads) for n in range(1, self.threads)]
        function(*args, self._barrier, 0, self.threads)
        for other in others:
            other.result()
