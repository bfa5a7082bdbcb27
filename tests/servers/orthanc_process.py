"""Runs one Orthanc in a network of its own and forwards ports of 127.0.0.1 to it.

Orthanc 1.10.1 listens on all addresses whatever its configuration says. Here it listens in a network namespace that
has a loopback and nothing else; only this process, whose listening sockets were made on 127.0.0.1 before it entered
that namespace, reaches it. The server ends with this process, and this process ends when its standard input closes:
so nothing is left when the tests are killed. The server's folder goes too, unless "keep" was written there before.

Arguments: configuration file of Orthanc, then OUTER:INNER or OUTER:INNER:FOLDER of ports (OUTER 0: any free one). With
a folder, this process speaks TLS on the outer port with that folder's server-both.pem and demands a client's
certificate of its authority.pem, as a web server in front of an archive does: the HTTPS of Debian's Orthanc 1.10.1
(civetweb 1.15 with OpenSSL 3) closes every connection without an answer. Prints the outer ports in one line once
Orthanc answers.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
PR_SET_PDEATHSIG = 1


def enter_own_network() -> None:
    """Leave the machine's network; in the new one only the loopback is up."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = CLONE_NEWNET | (0 if os.geteuid() == 0 else CLONE_NEWUSER)
    if libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no network namespace: {os.strerror(number)}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14s", b"lo", IFF_UP, b""))


def start(configuration: str) -> subprocess.Popen[bytes]:
    """Orthanc as a child that dies with this process."""
    libc = ctypes.CDLL(None)
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.Popen(
        ["Orthanc", configuration], stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr, env=environment,
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
    )  # fmt: skip


def wait(server: subprocess.Popen[bytes], ports: list[int]) -> None:
    """Until each inner port answers."""
    end = time.monotonic() + 30
    for port in ports:
        while True:
            if server.poll() is not None or time.monotonic() > end:
                raise SystemExit("Orthanc did not start")
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction until its end."""
    with suppress(OSError):
        while chunk := await reader.read(1 << 18):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof() if writer.can_write_eof() else writer.close()


Listening = list[tuple[socket.socket, int, "ssl.SSLContext | None"]]


def tls(folder: str) -> ssl.SSLContext:
    """TLS 1.2 or newer that demands a client's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(Path(folder) / "server-both.pem")
    context.load_verify_locations(Path(folder) / "authority.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def forward(listening: Listening) -> bytes:
    """Serve all ports until standard input closes; returns what was written there."""

    def handler(inner: int):  # type: ignore[no-untyped-def]
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there, back = await asyncio.open_connection("127.0.0.1", inner)
            except OSError:
                writer.close()
                return
            await asyncio.gather(pump(reader, back), pump(there, writer))
            for stream in (back, writer):
                stream.close()

        return handle

    servers = [
        await asyncio.start_server(handler(inner), sock=outer, ssl=context) for outer, inner, context in listening
    ]
    said = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    for server in servers:
        server.close()
    return said


def main() -> None:
    """See the module's text."""
    for name in (signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    listening: Listening = []
    for given in sys.argv[2:]:
        outer, inner, folder = [*given.split(":", 2), ""][:3]
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(outer)))
        listener.listen(64)
        listening.append((listener, int(inner), tls(folder) if folder else None))
    enter_own_network()
    server = start(sys.argv[1])
    try:
        wait(server, [inner for _, inner, _ in listening])
        print(*(listener.getsockname()[1] for listener, _, _ in listening), flush=True)
        said = asyncio.run(forward(listening))
    finally:
        server.kill()
        server.wait()
    # Closed without a word: whoever held this process is dead and will not tidy up.
    if said != b"keep":
        shutil.rmtree(Path(sys.argv[1]).parent, ignore_errors=True)


if __name__ == "__main__":
    main()
    os._exit(0)
