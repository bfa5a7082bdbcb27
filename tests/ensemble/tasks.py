"""Functions that workers import by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any


def square(task: float) -> float:
    return task * task


def scaled(task: float, shared: dict[str, Any]) -> tuple[float, int]:
    """Value, and the process that made it."""
    return task * shared["factor"], os.getpid()


def threads(_: int) -> tuple[str, str]:
    return os.environ["NUMBA_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"]


def fails_at_three(task: int) -> int:
    if task == 3:
        raise ValueError("three is not a number of mine\nsecond line")
    return task


def dies_once(task: int, shared: str) -> int:
    """Task 2 kills its own process with SIGKILL the first time it runs; a file remembers."""
    mark = Path(shared) / "died"
    if task == 2 and not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def always_dies(task: int, shared: str) -> int:
    if task == 1:
        with (Path(shared) / "deaths").open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return task


def tells_its_process(task: int, shared: str) -> int:
    """Leaves its process id, so that a test can kill it in the middle of the work."""
    (Path(shared) / f"pid-{os.getpid()}").touch()
    time.sleep(0.3)
    return task


def slow(task: int) -> int:
    time.sleep(30.0)
    return task


def not_picklable(_: int) -> Any:
    return lambda: None
