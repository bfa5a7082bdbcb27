"""Many independent tasks: in this process, on a local Dask cluster, or on one at an address. One failure stops nothing.

run(function, tasks)                       function(task) for each task, as many processes as cores
run(function, tasks, shared=big)           function(task, big); big travels once a worker, not once a task
run(function, tasks, consume=fold)         fold(outcome) as each arrives; its return value replaces outcome.value
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vertherm.core.errors import InputError, VerthermError
from vertherm.core.progress import Progress, silent

ADDRESS_VARIABLE = "VERTHERM_DASK"
"""Environment variable with the address of a Dask scheduler, where no address is given."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one task.

    Args:
        index: its place in the list of tasks.
        value: what the function returned; None where it failed.
        error: "" or what went wrong, as "SomeError: first line (file:line)".
        lost_worker: the processes that ran it died each time it was tried.
        wall_s: time the function took, without transport.
        cause: the error itself, where it is one that Vertherm raises on purpose.
    """

    index: int
    value: Any = None
    error: str = ""
    lost_worker: bool = False
    wall_s: float = 0.0
    cause: VerthermError | None = None

    @property
    def failed(self) -> bool:
        """True where there is no value."""
        return bool(self.error)


Consume = Callable[[Outcome], Any]


def run(
    function: Callable[..., Any],
    tasks: Sequence[Any],
    *,
    shared: Any = None,
    workers: int = 0,
    address: str | None = None,
    retries: int = 2,
    progress: Progress = silent,
    label: str = "members",
    consume: Consume | None = None,
) -> list[Outcome]:
    """Run ``function`` on every task; outcomes in the order of the tasks, whatever the order they finished in.

    At most one task a worker is under way, and each result is handed to ``consume`` before more are asked for: memory
    holds one result a worker, not the whole ensemble. A worker that dies is replaced and its task tried again
    elsewhere.

    Args:
        function: importable by name in a worker; takes a task, and ``shared`` where that is given.
        tasks: small, picklable.
        shared: what all tasks need; sent once to each worker, also to one that replaces a dead one.
        workers: processes; 0 takes one a core, 1 runs in this process, without Dask. Ignored with an address.
        address: of a Dask scheduler ("tcp://host:8786"); None: the variable VERTHERM_DASK, else a local cluster.
        retries: how often a task is tried again after its worker died (at an address: the scheduler's own setting).
        progress: told the share of tasks done.
        label: name of the step for ``progress``.
        consume: called in this process with each outcome as it arrives, in any order.

    Raises:
        InputError: no scheduler at the address, or it has no workers that can load the function.
        Exception: whatever ``consume`` raises.
    """
    if workers < 0 or retries < 0:
        raise InputError("Workers and retries cannot be negative.", got=f"workers {workers}, retries {retries}")
    address = address or os.environ.get(ADDRESS_VARIABLE) or None
    progress(label, 0.0)
    if not tasks:
        progress(label, 1.0)
        return []
    results: dict[int, Outcome] = {}

    def keep(outcome: Outcome) -> None:
        if consume is not None:
            outcome = replace(outcome, value=consume(outcome))
        results[outcome.index] = outcome
        progress(label, len(results) / len(tasks))

    count = min(workers or (os.cpu_count() or 1), len(tasks))
    if address is None and count == 1:
        for index, task in enumerate(tasks):
            keep(attempt(function, index, task, shared))
    else:
        from vertherm.ensemble.cluster import run_on_cluster

        run_on_cluster(function, tasks, shared, count, address, retries, keep)
    return [results[index] for index in range(len(tasks))]


@contextmanager
def kept_workers(workers: int = 0, preload: Sequence[str] = ()) -> Iterator[None]:
    """Several runs within this context share their local processes, which start at once, in the background.

    Args:
        workers: processes; 0 takes one a core. With 1, or where VERTHERM_DASK names a scheduler, nothing is started.
        preload: names of modules that every process imports while it waits for its first task.
    """
    count = workers or (os.cpu_count() or 1)
    if count == 1 or os.environ.get(ADDRESS_VARIABLE):
        yield
        return
    from vertherm.ensemble import cluster

    with cluster.kept_workers(count, preload):
        yield


def _text(error: Exception) -> str:
    """The first line of an error; of one that nobody raised on purpose, also where it came from."""
    text = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}".rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, VerthermError) or not frames:
        return text
    return f"{text} ({Path(frames[-1].filename).name}:{frames[-1].lineno})"


def attempt(function: Callable[..., Any], index: int, task: Any, shared: Any) -> Outcome:
    """One task, its error caught: what a worker does."""
    start = time.perf_counter()
    try:
        value = function(task) if shared is None else function(task, shared)
    except Exception as error:
        cause = error if isinstance(error, VerthermError) else None
        return Outcome(index, error=_text(error), wall_s=time.perf_counter() - start, cause=cause)
    return Outcome(index, value, wall_s=time.perf_counter() - start)
