"""The Dask side of the runner; imported only when more than one process, or a scheduler's address, is asked for."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, LocalCluster, as_completed, get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.scheduler import KilledWorker

from vertherm.core.errors import InputError
from vertherm.ensemble.runner import Outcome, attempt

ONE_THREAD = dict.fromkeys(("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment of local workers: members fill the cores, one thread each."""
SILENT = {"DASK_LOGGING__DISTRIBUTED": "critical"}
"""What failed is in the outcomes; a worker's own log would only disturb the terminal."""
CONNECT_S = 10
FIRST_WORKER_S = 60
_LOCAL_PORT = "127.0.0.1:0"
_ATTRIBUTE = "vertherm_shared"


class SharedInputs(WorkerPlugin):  # type: ignore[misc]
    """Puts the function and the shared inputs into a worker; a worker that replaces a dead one gets them as well."""

    idempotent = False

    def __init__(self, name: str, function: Callable[..., Any], shared: Any) -> None:
        self.name, self.function, self.shared = name, function, shared

    def setup(self, worker: Any) -> None:
        """Called in the worker before its first task."""
        held = getattr(worker, _ATTRIBUTE, {})
        held[self.name] = (self.function, self.shared)
        setattr(worker, _ATTRIBUTE, held)

    def teardown(self, worker: Any) -> None:
        """Called when the plugin leaves or the worker closes."""
        getattr(worker, _ATTRIBUTE, {}).pop(self.name, None)


def _task(name: str, index: int, task: Any) -> Outcome:
    """What runs on a worker."""
    function, shared = getattr(get_worker(), _ATTRIBUTE)[name]
    return attempt(function, index, task, shared)


def run_on_cluster(
    function: Callable[..., Any],
    tasks: Sequence[Any],
    shared: Any,
    workers: int,
    address: str | None,
    retries: int,
    keep: Callable[[Outcome], None],
) -> None:
    """Run every task and hand each outcome to ``keep`` in this thread."""
    kept = _kept[-1].result() if address is None and _kept else None
    with dask.config.set(_settings(retries)), _client(workers, address, kept) as client:
        name = f"vertherm-{uuid.uuid4().hex}"
        _share(client, SharedInputs(name, function, shared), address)
        try:
            _drain(client, name, tasks, keep)
        finally:
            if address is not None or kept is not None:
                # Somebody else's cluster, or one that is used again: leave nothing behind.
                client.unregister_worker_plugin(name)


def _settings(retries: int) -> dict[str, Any]:
    return {
        "distributed.scheduler.allowed-failures": retries,
        # A task waits on the scheduler, not on a busy worker: a worker that dies takes one task with it.
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.comm.timeouts.connect": f"{CONNECT_S}s",
        # A dead process is seen at once (its connection breaks); a busy one is never taken for dead.
        "distributed.scheduler.worker-ttl": None,
        # Numba holds the interpreter lock for minutes at a stretch; that is no fault to report.
        "distributed.admin.tick.limit": "1h",
        "distributed.nanny.pre-spawn-environ": {**ONE_THREAD, **SILENT},
    }


_kept: list[Future[LocalCluster]] = []
"""Local processes that runs share, the innermost last; see :func:`kept_workers`."""


@contextmanager
def kept_workers(workers: int, preload: Sequence[str] = (), retries: int = 2) -> Iterator[None]:
    """Local processes that every run within this context shares, whatever number of workers it asks for.

    They start in the background at once: what is done before the first run hides their start, and what they have
    loaded and compiled serves every later run.
    """

    def start() -> LocalCluster:
        with dask.config.set(_settings(retries)), _quiet():
            return _local_cluster(workers, preload)

    with ThreadPoolExecutor(1) as starter:
        future = starter.submit(start)
        _kept.append(future)
        try:
            yield
        finally:
            _kept.remove(future)
            with _quiet():
                future.result().close()


def _drain(client: Client, name: str, tasks: Sequence[Any], keep: Callable[[Outcome], None]) -> None:
    """Keep one task a worker under way until all have an outcome."""
    waiting = iter(enumerate(tasks))
    indices: dict[str, int] = {}

    def submit() -> Any | None:
        following = next(waiting, None)
        if following is None:
            return None
        index, task = following
        future = client.submit(_task, name, index, task, key=f"{name}-{index}", pure=False)
        indices[future.key] = index
        return future

    first = [future for future in (submit() for _ in range(_slots(client))) if future is not None]
    queue = as_completed(first)
    first.clear()
    for future in queue:
        # New work first: the worker computes while its last result is fetched and digested here.
        for _ in range(_slots(client) - queue.count()):
            following = submit()
            if following is not None:
                queue.add(following)
        keep(_outcome(future, indices.pop(future.key)))
        future.release()


def _slots(client: Client) -> int:
    """Tasks to keep under way: one a thread of every worker."""
    return max(1, sum(client.nthreads().values()))


def _outcome(future: Any, index: int) -> Outcome:
    try:
        return future.result()
    except KilledWorker as error:
        died = error.allowed_failures + 1
        times = "once" if died == 1 else f"{died} times"
        text = f"lost worker: the process that ran it died {times}, most likely for want of memory"
        return Outcome(index, error=text, lost_worker=True)
    except Exception as error:  # what Dask itself raises: a result that cannot be pickled, a cancelled task
        return Outcome(index, error=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def _share(client: Client, plugin: SharedInputs, address: str | None) -> None:
    try:
        client.register_plugin(plugin, name=plugin.name)
    except Exception as error:
        raise InputError(
            "The workers cannot load this work.",
            where=address or "local workers",
            got=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}",
            advice="install the same versions of Vertherm and Python on every worker",
        ) from error


def _local_cluster(workers: int, preload: Sequence[str] = ()) -> LocalCluster:
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        # Dask always opens a small HTTP port; here it is a free one of this machine, without dashboard.
        dashboard_address=_LOCAL_PORT,
        worker_dashboard_address=_LOCAL_PORT,
        scheduler_kwargs={"dashboard": False},
        silence_logs=logging.CRITICAL,
        memory_limit=0,
        preload=list(preload),
        env={**ONE_THREAD, **SILENT},
    )


@contextmanager
def _client(workers: int, address: str | None, kept: LocalCluster | None) -> Iterator[Client]:
    """A connected client, and for a local cluster its processes; both are gone afterwards, unless they are kept."""
    with _quiet():
        if kept is not None:
            with Client(kept) as client:
                yield client
        elif address is None:
            with _local_cluster(workers) as cluster, Client(cluster) as client:
                yield client
        else:
            with _connected(address) as client:
                yield client


def _connected(address: str) -> Client:
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise InputError(
            "No Dask scheduler answers.",
            where=address,
            got=(str(error).splitlines() or [type(error).__name__])[0],
            advice="start one with `dask scheduler`, and give its address (tcp://host:8786)",
        ) from error
    try:
        client.wait_for_workers(1, timeout=FIRST_WORKER_S)
    except (OSError, TimeoutError) as error:
        client.close()
        raise InputError(
            "The Dask scheduler has no workers.", where=address, advice=f"start some with `dask worker {address}`"
        ) from error
    return client


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own loggers say nothing: what failed is in the outcomes."""
    loggers = [logging.getLogger(name) for name in ("distributed", "asyncio", "tornado.application")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
