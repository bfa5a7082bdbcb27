"""The tests' own archive: reachable from this machine only, and gone when the tests are killed."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers.orthanc import Orthanc

_HOLDER = """
from tests.servers.orthanc import running
with running() as server:
    print(server.folder, server.http, flush=True)
    import time
    time.sleep(600)
"""


def test_a_killed_holder_takes_the_server_with_it(orthanc: Orthanc) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER], cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    folder, port = holder.stdout.readline().split()
    assert Path(folder).exists()
    holder.kill()
    holder.communicate()
    end = time.monotonic() + 10
    while Path(folder).exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(folder).exists()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(port)), timeout=1)


def test_no_other_address_of_this_machine_answers(orthanc: Orthanc) -> None:
    for port in (orthanc.http, orthanc.dicom):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        # All of 127/8 is this machine: a server on 0.0.0.0 would answer here.
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=1)
