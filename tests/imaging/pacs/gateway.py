"""A web server in front of another one that demands a token and misbehaves as told."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Gateway:
    """What it does, and what it saw.

    Args:
        upstream: address that it forwards to.
        token: bearer token it demands, empty: none.
        trouble: what to do with the next requests of method ``method``, first first: a status; ``drop`` (close before
            forwarding); ``lose`` (forward, then close without the answer); a number of seconds as float to wait.
        method: requests that trouble meets.
        headers: added to statuses.
        body: answers everything with this, if given, instead of forwarding: (content type, bytes).
    """

    upstream: str
    token: str = ""
    trouble: list[Any] = field(default_factory=list)
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    body: tuple[str, bytes] | None = None
    seen: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def count(self, method: str) -> int:
        return sum(seen == method for seen, _ in self.seen)


@contextmanager
def gateway(upstream: str, **given: Any) -> Iterator[Gateway]:
    """A running gateway on 127.0.0.1."""
    state = Gateway(upstream, **given)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}{urlsplit(upstream).path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(state: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.answer("GET")

        def do_POST(self) -> None:
            self.answer("POST")

        def answer(self, method: str) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.seen.append((method, self.path))
            self.close_connection = True
            if state.token and self.headers.get("Authorization") != f"Bearer {state.token}":
                self.say(401, {}, b"")
                return
            trouble = state.trouble.pop(0) if state.trouble and method == state.method else None
            if isinstance(trouble, float):
                time.sleep(trouble)
            elif isinstance(trouble, int):
                self.say(trouble, state.headers, b"token and PATIENT^NAME")
                return
            elif trouble == "drop":
                return
            if state.body is not None:
                self.say(200, {"Content-Type": state.body[0]}, state.body[1])
                return
            status, headers, body = self.forward(method, data)
            if trouble != "lose":
                self.say(status, headers, body)

        def forward(self, method: str, data: bytes) -> tuple[int, dict[str, str], bytes]:
            parts = urlsplit(state.upstream)
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
            kept = {name: self.headers[name] for name in ("Content-Type", "Accept") if name in self.headers}
            connection.request(method, self.path, body=data or None, headers=kept)
            response = connection.getresponse()
            body = response.read()
            connection.close()
            return response.status, {"Content-Type": response.headers.get("Content-Type", "")}, body

        def say(self, status: int, headers: dict[str, str], body: bytes) -> None:
            try:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # the client has left

    return Handler
