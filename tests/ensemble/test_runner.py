"""The runner: order, errors, lost workers, memory, interrupts. Real processes throughout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ensemble import tasks
from vertherm.core.errors import InputError
from vertherm.ensemble.runner import Outcome, run

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def children() -> set[int]:
    """Processes of ours that still live."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z" and b"spawn_main" in _command(stat):
            found.add(int(stat.parent.name))
    return found


def _command(stat: Path) -> bytes:
    try:
        return (stat.parent / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """No test leaves a worker process."""
    yield
    deadline = time.monotonic() + 20.0
    while children() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not children()


@pytest.mark.parametrize("workers", [1, 2])
def test_outcomes_come_in_order(workers: int) -> None:
    seen: list[float] = []
    outcomes = run(tasks.square, [3.0, 1.0, 2.0], workers=workers, progress=lambda _, done: seen.append(done))
    assert [(o.index, o.value) for o in outcomes] == [(0, 9.0), (1, 1.0), (2, 4.0)]
    assert seen == [0.0, *(pytest.approx(n / 3) for n in (1, 2, 3))]
    assert run(tasks.square, [], workers=workers) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_task_stops_nothing(workers: int) -> None:
    outcomes = run(tasks.fails_at_three, [1, 2, 3, 4], workers=workers)
    assert [o.value for o in outcomes] == [1, 2, None, 4]
    assert outcomes[2].error.startswith("ValueError: three is not a number of mine (tasks.py:")
    assert (outcomes[2].failed, outcomes[2].lost_worker) == (True, False)


def test_one_worker_needs_no_dask() -> None:
    code = (
        "import sys; from vertherm.ensemble.runner import run; run(abs, [1, -2], workers=1);"
        "sys.exit('dask' in sys.modules or 'distributed' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_shared_inputs_reach_every_worker_and_consume_replaces_values() -> None:
    """Both processes worked, and of each outcome only what ``consume`` returned is kept."""
    seen: list[int] = []

    def keep(outcome: Outcome) -> float:
        seen.append(outcome.value[1])
        return float(outcome.value[0])

    outcomes = run(tasks.scaled, [1.0, 2.0, 3.0, 4.0], shared={"factor": 10.0}, workers=2, consume=keep)
    assert [o.value for o in outcomes] == [10.0, 20.0, 30.0, 40.0]
    assert os.getpid() not in seen


def test_workers_have_one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this process itself may use."""
    monkeypatch.setenv("NUMBA_NUM_THREADS", "4")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")
    assert [o.value for o in run(tasks.threads, [0, 1], workers=2)] == [("1", "1")] * 2


def test_killed_worker_is_replaced_and_its_task_repeated(tmp_path: Path) -> None:
    """A process killed with SIGKILL (as by an out-of-memory killer): every outcome arrives all the same."""
    outcomes = run(tasks.dies_once, list(range(6)), shared=str(tmp_path), workers=2)
    assert (tmp_path / "died").exists()
    assert [o.value for o in outcomes] == list(range(6))
    assert not any(o.error for o in outcomes)


def test_worker_killed_from_outside_mid_run(tmp_path: Path) -> None:
    """Somebody else kills a worker while it computes; the ensemble completes."""
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 60.0
        while not killed and time.monotonic() < deadline:
            for mark in tmp_path.glob("pid-*"):
                killed.append(int(mark.name.removeprefix("pid-")))
                os.kill(killed[0], signal.SIGKILL)
                break
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    outcomes = run(tasks.tells_its_process, list(range(8)), shared=str(tmp_path), workers=2)
    killer.join()
    assert killed
    assert [o.value for o in outcomes] == list(range(8))


def test_task_that_always_kills_its_worker_is_given_up(tmp_path: Path) -> None:
    """Tried once and repeated ``retries`` = 1 time; then it is an outcome, and the innocent ones are complete."""
    outcomes = run(tasks.always_dies, list(range(5)), shared=str(tmp_path), workers=2, retries=1)
    assert (tmp_path / "deaths").read_text() == "xx"
    assert [o.value for o in outcomes] == [0, None, 2, 3, 4]
    assert outcomes[1].lost_worker
    assert "died 2 times" in outcomes[1].error


def test_interrupt_ends_the_workers(tmp_path: Path) -> None:
    """Ctrl-C (SIGINT to the whole group) in the middle: the command ends at once, and so do its processes."""
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.ensemble import tasks\nfrom vertherm.ensemble.runner import run\n"
        "if __name__ == '__main__':\n    print('go', flush=True)\n    run(tasks.slow, [1, 2, 3], workers=2)\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=root, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # A shell that runs the tests in the background makes its children deaf to SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    deadline = time.monotonic() + 60.0
    while _group(process.pid) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert process.returncode != 0
    deadline = time.monotonic() + 20.0
    while _group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _group(process.pid) == 0


def _group(leader: int) -> int:
    """Living processes of a process group."""
    count = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        count += int(fields[2]) == leader and fields[0] != "Z"
    return count


def test_wrong_addresses_and_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="negative"):
        run(tasks.square, [1.0], workers=-1)
    monkeypatch.setattr("vertherm.ensemble.cluster.CONNECT_S", 1)
    with pytest.raises(InputError, match="No Dask scheduler answers"):
        run(tasks.square, [1.0], address="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match="No Dask scheduler answers"):
        run(tasks.square, [1.0], address="nonsense://x")
    monkeypatch.setenv("VERTHERM_DASK", "tcp://127.0.0.1:9")
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9"):
        run(tasks.square, [1.0], workers=1)


def test_the_same_code_on_a_cluster() -> None:
    """A scheduler at an address does the work and is left as it was: no plugin, no data."""
    from distributed import Client, LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as far:
        outcomes = run(tasks.scaled, [1.0, 2.0], shared={"factor": 2.0}, address=far.scheduler_address)
        assert [o.value[0] for o in outcomes] == [2.0, 4.0]
        with Client(far) as client:
            assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0
            held = client.run(lambda dask_worker: getattr(dask_worker, "vertherm_shared", {}))
    assert list(held.values()) == [{}]
