"""A program of its own that writes to a registry, for tests that run many of them or kill them.

``many URL FIRST THREADS EACH`` starts threads that each enter EACH patients, one transaction a patient.
``big URL PATIENTS`` enters blocks of five patients, one transaction each, then PATIENTS in one transaction; it prints a
line after every commit and after every step of the large one.
"""

from __future__ import annotations

import sys
import threading

from tests.servers.cohort import cohort
from vertherm.registry.database import Registry
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import ENTITIES

SMALL = 5


def enter(registry: Registry, records: Records, *, user: str, told: bool = False) -> None:
    """One transaction."""
    records.tables.pop("series", None)
    with registry.transaction(user=user, why="entry") as writer:
        for entity in ENTITIES:
            if rows := records.rows(entity.name):
                for start in range(0, len(rows), 1000):
                    writer.insert(entity.name, rows[start : start + 1000])
                    if told:
                        print(f"step {entity.name} {start}", flush=True)
        if told:
            print("sealing", flush=True)


def many(url: str, first: int, threads: int, each: int) -> None:
    """Threads that write at once."""
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(each):
                enter(registry, cohort(1, first=first + number * each + n), user=f"writer {first}-{number}")
        except BaseException as error:
            failed.append(error)

    with Registry.open(url) as registry:
        running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    if failed:
        raise failed[0]


def big(url: str, patients: int) -> None:
    """Small transactions, then a large one."""
    with Registry.open(url) as registry:
        for n in range(4):
            enter(registry, cohort(SMALL, first=1 + n * SMALL), user="small")
            print(f"committed {(n + 1) * SMALL}", flush=True)
        enter(registry, cohort(patients, first=1000), user="big", told=True)
        print(f"committed {4 * SMALL + patients}", flush=True)
        while True:  # until it is killed
            threading.Event().wait(60)


if __name__ == "__main__":
    if sys.argv[1] == "many":
        many(sys.argv[2], *map(int, sys.argv[3:6]))
    else:
        big(sys.argv[2], int(sys.argv[3]))
