"""A PostgreSQL cluster of the tests' own: in a temporary folder, on a free port of 127.0.0.1, gone with the tests."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

OLDEST = 15
# Run by a process of its own: when the tests' process dies, even by SIGKILL, the pipe closes and the server stops.
_WATCH = """
import os, shutil, signal, sys
pid, folder = int(sys.argv[1]), sys.argv[2]
for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(name, signal.SIG_IGN)
sys.stdin.buffer.read()
try:
    os.kill(pid, signal.SIGQUIT)
except ProcessLookupError:
    pass
import time
for _ in range(100):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        break
    time.sleep(0.05)
shutil.rmtree(folder, ignore_errors=True)
"""


def need(reason: str) -> None:
    """What a missing server means: a skip with its reason on a user's machine, a failure where CI=true."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def binaries() -> Path | None:
    """Folder with ``initdb`` and ``postgres`` of the newest version, None where there is none."""
    on_path = shutil.which("initdb")
    found = []
    for initdb in [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *([Path(on_path)] if on_path else [])]:
        text = subprocess.run([initdb, "--version"], capture_output=True, text=True, check=False).stdout
        if (match := re.search(r"(\d+)", text)) and int(match[1]) >= OLDEST:
            found.append((int(match[1]), initdb.resolve().parent))
    return max(found)[1] if found else None


@dataclass(frozen=True)
class Server:
    """A running server: port and process id."""

    port: int
    pid: int

    def url(self, database: str) -> str:
        """Address of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"


def _as_server(command: list[str]) -> list[str]:
    # The server refuses to run as root.
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster() -> Iterator[Server]:
    """A new cluster; skips or fails (see `need`) where PostgreSQL 15 or newer is not installed."""
    folder_of = binaries()
    if folder_of is None:
        need(f"PostgreSQL {OLDEST} or newer is not installed (tests/servers/install.sh)")
        return
    folder = Path(tempfile.mkdtemp(prefix="vertherm-pg-", dir=_fast_folder()))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    if os.geteuid() == 0:
        shutil.chown(data, "postgres", "postgres")
    try:
        options = ("-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C.UTF-8")
        _run([str(folder_of / "initdb"), "-D", str(data), *options], data)
        port, pid = _start(folder_of, data)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    watch = subprocess.Popen(
        [sys.executable, "-c", _WATCH, str(pid), str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield Server(port, pid)
    finally:
        assert watch.stdin is not None
        watch.stdin.close()
        watch.wait(timeout=30)


def _fast_folder() -> str | None:
    """Memory where there is enough: a new database for each test is then six times as fast as on a disk."""
    memory = Path("/dev/shm")
    enough = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30
    return str(memory) if enough else None


def _start(folder_of: Path, data: Path) -> tuple[int, int]:
    for attempt in range(5):
        port = _free_port()  # somebody may take it before the server does
        # No fsync: the tests kill programs, not the machine.
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=120 -F"
        command = [str(folder_of / "pg_ctl"), "-D", str(data), "-l", str(data / "log")]
        command += ["-o", options, "-w", "-t", "60", "start"]
        done = subprocess.run(_as_server(command), capture_output=True, text=True, check=False, cwd=data)
        if done.returncode == 0:
            return port, int((data / "postmaster.pid").read_text().split("\n")[0])
        log = (data / "log").read_text() if (data / "log").exists() else ""
        if attempt == 4 or "could not bind" not in log:
            raise RuntimeError(f"PostgreSQL did not start: {done.stderr}{log[-2000:]}")
        time.sleep(0.2)
    raise AssertionError("unreachable")


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(_as_server(command), capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")


def terminate(pid: int) -> None:
    """Kill a process that a test started, if it still runs."""
    with suppress(ProcessLookupError):
        os.kill(pid, 9)
