"""Decode compressed frames in a process of its own: ``python -P -m vertherm.imaging.dicom.worker``.

The codecs are C and C++ libraries. On hostile input they crash, and then only this process ends.
Protocol on stdin and stdout: a length (8 bytes, little endian), a JSON header of that length, then the bytes it
announces. A request announces ``size`` bytes of one frame; a reply ``size`` bytes of pixels, or an ``error``.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import IO, Any


def send(stream: IO[bytes], header: dict[str, Any], data: bytes = b"") -> None:
    """Write one message."""
    text = json.dumps({**header, "size": len(data)}).encode()
    stream.write(struct.pack("<Q", len(text)) + text)
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes], limit: int) -> tuple[dict[str, Any], bytes] | None:
    """Read one message of at most ``limit`` bytes; None where the other side has ended or sends nonsense."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    (count,) = struct.unpack("<Q", head)
    if count > 65536:
        return None
    try:
        header = json.loads(stream.read(count))
        size = int(header["size"])
    except (ValueError, KeyError, TypeError):
        return None
    if not 0 <= size <= limit:
        return None
    data = stream.read(size)
    return (header, data) if len(data) == size else None


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer requests until ``source`` ends."""
    _bound_memory()
    while (message := receive(source, 2**40)) is not None:
        request, frame = message
        try:
            pixels = decode(request, frame)
        except Exception as error:  # whatever a codec raises goes back as text
            text = str(error).splitlines()[0][:200] if str(error) else ""
            send(sink, {"error": f"{type(error).__name__}: {text}"})
            continue
        send(sink, {"dtype": pixels.dtype.str, "shape": list(pixels.shape)}, pixels.tobytes())


def decode(request: dict[str, Any], frame: bytes) -> Any:
    """Pixels of one frame; ``request`` holds the elements of the image pixel module by keyword."""
    import warnings

    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate

    warnings.simplefilter("ignore")
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = request["syntax"]
    for keyword, value in request["elements"].items():
        setattr(dataset, keyword, value)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    # The plugin is named, so that a codec of another licence that happens to be installed is never loaded.
    dataset.pixel_array_options(decoding_plugin=request["plugin"])
    return dataset.pixel_array


def _bound_memory() -> None:
    try:
        import resource

        import numpy  # noqa: F401 - its own address space is taken before the bound is set
    except ImportError:  # Windows has no such limit; the stated size is checked all the same
        return
    bound = 8 * 2**30
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


if __name__ == "__main__":
    # A library that prints, from Python or from C, must not print into the protocol.
    protocol = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, protocol)
