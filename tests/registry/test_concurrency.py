"""Fifty writers at once lose nothing; a writer killed at any moment loses nothing committed and leaves nothing half."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.registry import writing_process
from tests.registry.tampering import change_pain, fill, scalar
from tests.servers.cohort import cohort, series
from vertherm.registry.check import check
from vertherm.registry.database import Registry

ROOT = Path(__file__).parents[2]


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", writing_process.__name__, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def address_of(registry: Registry) -> str:
    return registry.address.render_as_string(hide_password=False)


def test_fifty_threads_on_one_registry(registry: Registry) -> None:
    fill(registry, series())
    failed: list[BaseException] = []
    gate = threading.Barrier(50)

    def work(number: int) -> None:
        try:
            gate.wait()
            for n in (1, 2):
                records = cohort(1, first=number * 10 + n)
                writing_process.enter(registry, records, user=f"writer {number}")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 51)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert registry.records().counts()["patient"] == 100
    report = check(registry)
    assert report.findings == ()
    assert (report.seals, report.audit_rows) == (102, 1 + 100 * 18)
    # Whoever wrote a record is named with it: no writer's name ended up on another's rows.
    mixed = "SELECT count(*) FROM (SELECT tx FROM audit GROUP BY tx HAVING count(DISTINCT who) > 1) t"
    assert scalar(registry, mixed) == 0


def test_fifty_writers_in_five_programs(registry: Registry) -> None:
    fill(registry, series())
    programs = [start("many", address_of(registry), 1000 * (n + 1), 10, 2) for n in range(5)]
    for program in programs:
        _, errors = program.communicate(timeout=300)
        assert program.returncode == 0, errors
    assert registry.records().counts()["patient"] == 100
    report = check(registry)
    assert report.findings == ()
    assert report.seals == 102


def test_readers_are_not_held_up_by_a_writer(registry: Registry) -> None:
    fill(registry)
    with registry.transaction(user="a", why="b") as writer:
        writer.connection.exec_driver_sql("UPDATE visit SET vas = 1")
        began = time.monotonic()
        assert {row[3] for row in registry.records().rows("visit")} != {1.0}
        assert time.monotonic() - began < 30
    assert {row[3] for row in registry.records().rows("visit")} == {1.0}


# The moments at which the writer is killed: after which line of its output, and how much later, s.
MOMENTS = [
    ("committed 10", 0.0), ("committed 20", 0.002), ("step patient", 0.0), ("step lesion", 0.01),
    ("step visit 1000", 0.0), ("step root_status 3000", 0.02), ("sealing", 0.0), ("sealing", 0.03), ("sealing", 0.1),
    ("sealing", 0.2), ("committed 1020", 0.0),
]  # fmt: skip


def killed(registry: Registry, line: str, delay: float) -> int:
    """Start the writer, kill it with SIGKILL, and return how many patients it had said were committed."""
    process = start("big", address_of(registry), 1000)
    assert process.stdout is not None
    committed = 0
    for told in process.stdout:
        if told.startswith("committed"):
            committed = int(told.split()[1])
        if told.startswith(line):
            break
    else:
        pytest.fail(f"the writer never said {line!r}: {process.communicate()[1]}")
    time.sleep(delay)
    process.kill()
    rest, _ = process.communicate()
    for told in rest.splitlines():
        if told.startswith("committed"):
            committed = int(told.split()[1])
    return committed


@pytest.mark.parametrize(("line", "delay"), MOMENTS)
def test_a_killed_writer_loses_nothing_committed_and_leaves_nothing_half(
    registry: Registry, line: str, delay: float
) -> None:
    fill(registry, series())
    committed = killed(registry, line, delay)
    with Registry.open(address_of(registry)) as reopened:
        counts = reopened.records().counts()
        found = counts.get("patient", 0)
        # What was committed is there; beyond it at most the transaction whose commit could not be told any more.
        assert found in {committed, *(total for total in (5, 10, 15, 20, 1020) if total > committed)}
        assert found in (0, 5, 10, 15, 20, 1020)
        assert sum(counts.values()) == 1 + 18 * found
        assert check(reopened).findings == ()
        change_after = cohort(1, first=900_000)
        writing_process.enter(reopened, change_after, user="next")
        change_pain(reopened, 3.0, patient="P900000")
        assert check(reopened).findings == ()
