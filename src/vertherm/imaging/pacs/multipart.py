"""multipart/related messages (RFC 2387, PS3.18 8.6.1): written from files, read into files, never whole in memory."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from vertherm.imaging.pacs.errors import ArchiveError

_CHUNK = 1 << 20
_HEAD_BYTES = 1 << 14


class Message:
    """The body of a request with one file a part; its length is known, so that no server needs chunked transfer."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.boundary = secrets.token_hex(20)
        self._paths = tuple(paths)
        self._head = f"--{self.boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
        self._end = f"--{self.boundary}--\r\n".encode("ascii")
        sizes = sum(path.stat().st_size for path in self._paths)
        self._length = sizes + len(self._paths) * (len(self._head) + 2) + len(self._end)

    @property
    def content_type(self) -> str:
        """Value of the header of that name."""
        return f'multipart/related; type="application/dicom"; boundary={self.boundary}'

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        for path in self._paths:
            yield self._head
            with path.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    yield chunk
            yield b"\r\n"
        yield self._end


def boundary_of(content_type: str) -> bytes:
    """The boundary that a response's Content-Type states.

    Raises:
        ArchiveError: no multipart message, or no boundary.
    """
    match = re.search(r'boundary="?([^";,\s]{1,200})"?', content_type, re.IGNORECASE)
    if match is None or not content_type.lower().lstrip().startswith("multipart/"):
        raise ArchiveError(
            "The archive answered a retrieval with something else.",
            got=content_type[:100] or "no Content-Type",
            expected="multipart/related",
        )
    return match[1].encode("latin-1", "replace")


class _Source:
    """The bytes of a message, searched for delimiters; holds one chunk and what must be looked at again."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._rest = iter(chunks), b""

    def until(self, delimiter: bytes, sink: Callable[[bytes], object]) -> None:
        """Give ``sink`` all bytes before ``delimiter``, and pass over it."""
        while (at := self._rest.find(delimiter)) < 0:
            keep = min(len(delimiter) - 1, len(self._rest))
            sink(self._rest[: len(self._rest) - keep])
            self._rest = self._rest[len(self._rest) - keep :] + self._next()
        sink(self._rest[:at])
        self._rest = self._rest[at + len(delimiter) :]

    def starts(self, text: bytes) -> bool:
        """Whether the next bytes are these."""
        while len(self._rest) < len(text):
            self._rest += self._next()
        return self._rest.startswith(text)

    def _next(self) -> bytes:
        for chunk in self._chunks:
            if chunk:
                return chunk
        raise ArchiveError("The archive's answer ends too early.", expected="a complete multipart message")


def parts(chunks: Iterable[bytes], boundary: bytes, opened: Callable[[], BinaryIO], most: int) -> Iterator[BinaryIO]:
    """Write each part's body into a stream of ``opened``, then yield that stream (its caller closes it).

    Args:
        chunks: the message's bytes.
        boundary: see `boundary_of`.
        opened: makes the stream of the next part.
        most: bytes that one part may have.

    Raises:
        ArchiveError: a broken or truncated message, or a part larger than ``most``.
    """
    source = _Source(chunks)
    delimiter = b"\r\n--" + boundary
    # The first delimiter may stand at the very beginning, without the line end that belongs to the others.
    source.until(delimiter[2:], _counted(_HEAD_BYTES))
    while not source.starts(b"--"):
        source.until(b"\r\n", _counted(_HEAD_BYTES))
        if not source.starts(b"\r\n"):
            source.until(b"\r\n\r\n", _counted(_HEAD_BYTES))
        else:
            source.until(b"\r\n", _counted(_HEAD_BYTES))
        stream = opened()
        try:
            source.until(delimiter, _counted(most, stream))
        except BaseException:
            stream.close()
            raise
        yield stream


def _counted(most: int, stream: BinaryIO | None = None) -> Callable[[bytes], object]:
    seen = 0

    def sink(data: bytes) -> None:
        nonlocal seen
        seen += len(data)
        if seen > most:
            raise ArchiveError(
                "A part of the archive's answer is larger than allowed.", got=f"more than {most} bytes",
                expected=f"at most {most}", advice="raise max_instance_mb of this archive if that is right",
            )  # fmt: skip
        if stream is not None:
            stream.write(data)

    return sink
