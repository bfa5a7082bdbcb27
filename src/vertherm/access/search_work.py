"""Shares work out to threads: the compiled kernels release the interpreter, and every part writes its own slice."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

CHUNK = 32_768


def thread_count(threads: int) -> int:
    """The number of threads asked for; 0 takes one a core."""
    return threads if threads > 0 else (os.cpu_count() or 1)


def shared_out(work: Callable[[slice], None], count: int, threads: int, chunk: int = CHUNK) -> None:
    """Call ``work`` for slices that cover 0 to ``count``; the slices do not depend on the number of threads."""
    parts = [slice(start, min(start + chunk, count)) for start in range(0, count, chunk)]
    if thread_count(threads) == 1 or len(parts) < 2:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(thread_count(threads)) as pool:
        list(pool.map(work, parts))
