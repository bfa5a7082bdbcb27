"""The tests' own server leaves nothing behind, even when the tests are killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.servers import postgres

_HOLDER = """
from tests.servers import postgres
with postgres.cluster() as server:
    print(server.pid, flush=True)
    import time
    time.sleep(600)
"""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def test_a_killed_holder_takes_the_server_with_it() -> None:
    if postgres.binaries() is None:
        postgres.need("PostgreSQL 15 or newer is not installed (tests/servers/install.sh)")
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    server = int(holder.stdout.readline())
    folder = Path(f"/proc/{server}/cwd").resolve() if Path("/proc").is_dir() else None
    assert _alive(server)
    holder.kill()
    holder.communicate()
    for _ in range(200):
        if not _alive(server) and (folder is None or not folder.exists()):
            break
        time.sleep(0.1)
    assert not _alive(server)
    assert folder is None or not folder.exists()
