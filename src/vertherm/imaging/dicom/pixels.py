"""Decode pixels after their size has been checked; compressed frames in a process of their own.

Codecs: pydicom's RLE, pyjpegls (JPEG-LS), python-gdcm (JPEG, JPEG 2000).
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.imaging.dicom.codestream import stated
from vertherm.imaging.dicom.safe import LIMITS, Limits, read_dataset, reading, too_large
from vertherm.imaging.dicom.worker import receive, send

RLE = "1.2.840.10008.1.2.5"
CODECS = {
    **dict.fromkeys(("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"), ("gdcm", "jpeg")),
    **dict.fromkeys(("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"), ("gdcm", "jpeg")),
    **dict.fromkeys(("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"), ("pyjpegls", "jpeg-ls")),
    **dict.fromkeys(("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"), ("gdcm", "jpeg 2000")),
}
"""Transfer syntax to (pydicom plugin, family of codestream)."""
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_ELEMENTS = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
)


class Decoder:
    """Decodes frames; keeps one worker process for all frames of a series. Use as a context manager."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def file(self, path: Path, *, where: str = "") -> NDArray[Any]:
        """All frames of a file, (frame, row, column), values as stored.

        Raises:
            InputError: unreadable, truncated, larger than allowed, or in an encoding that is not supported.
        """
        where = where or str(path)
        return self.frames(read_dataset(path, self.limits, where=where), where)

    def frames(self, dataset: Any, where: str) -> NDArray[Any]:
        """All frames of a data set, (frame, row, column), values as stored; 1-bit pixels as uint8.

        Raises:
            InputError: as :meth:`file`.
        """
        with reading(where):
            count, rows, columns = size = _size(dataset, self.limits, where)
            syntax = _syntax(dataset, where)
            if syntax in _NATIVE:
                _whole(dataset, size)
                raw = dataset.pixel_array
            elif syntax == RLE:
                for frame in self._encoded(dataset, size, where):
                    _rle_fits(frame, rows, columns, where)
                dataset.pixel_array_options(decoding_plugin="pydicom")
                raw = dataset.pixel_array
            else:
                frames = self._encoded(dataset, size, where)
                raw = np.stack([self._decode(frame, dataset, syntax, where) for frame in frames])
            array: NDArray[Any] = np.asarray(raw)
            if array.size != count * rows * columns:
                raise InputError("A slice has another size than its header says.", where=where, got=array.shape)
            return array.reshape(count, rows, columns)

    def make_native(self, dataset: Any, where: str) -> None:
        """Replace the pixels of a data set by uncompressed ones, in place, after the same checks.

        Raises:
            InputError: as :meth:`file`.
        """
        with reading(where):
            size = _size(dataset, self.limits, where)
            if _syntax(dataset, where) in _NATIVE:
                _whole(dataset, size)
                return
            array = self.frames(dataset, where)
            if int(dataset.BitsAllocated) == 1:
                array = np.packbits(array.reshape(-1) > 0, bitorder="little")
            data = array.tobytes()
            dataset.PixelData = data + b"\0" * (len(data) % 2)
            dataset["PixelData"].is_undefined_length = False
            dataset.file_meta.TransferSyntaxUID = _NATIVE[1]

    def _encoded(self, dataset: Any, size: tuple[int, int, int], where: str) -> list[bytes]:
        """Encoded frames, after what they decode to has been compared with what they are."""
        frames = _encapsulated(dataset, size[0], where)
        needed = size[0] * size[1] * size[2] * max(int(dataset.BitsAllocated) // 8, 1)
        held = sum(map(len, frames))
        if needed > max(self.limits.ratio_free_bytes, self.limits.pixel_ratio * held):
            got = f"{needed} bytes out of {held}"
            raise too_large(where, "A compressed image", got, f"{self.limits.pixel_ratio:g} times its encoded size")
        return frames

    def _decode(self, frame: bytes, dataset: Any, syntax: str, where: str) -> NDArray[Any]:
        plugin, family = CODECS[syntax]
        _fits(frame, family, dataset, where)
        elements = {name: _plain(dataset.get(name)) for name in _ELEMENTS}
        request = {"syntax": syntax, "plugin": plugin, "elements": elements}
        header, data = self._asked(request, frame, where)
        if "error" in header:
            raise _damaged(where, str(header["error"]))
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        kind = np.dtype(str(header["dtype"]))
        if kind.kind not in "iu" or header["shape"] != [rows, columns] or len(data) != rows * columns * kind.itemsize:
            raise InputError("A slice has another size than its header says.", where=where, got=header["shape"])
        return np.frombuffer(data, kind).reshape(rows, columns)

    def _asked(self, request: dict[str, Any], frame: bytes, where: str) -> tuple[dict[str, Any], bytes]:
        worker = self._running()
        assert worker.stdin is not None
        assert worker.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            worker.kill()

        timer = threading.Timer(self.limits.codec_s, stop)
        timer.start()
        try:
            send(worker.stdin, request, frame)
            answer = receive(worker.stdout, self.limits.pixel_bytes)
        except OSError:
            answer = None
        finally:
            timer.cancel()
        if answer is None:
            self._stop()
            said = f"no result after {self.limits.codec_s:g} s" if late.is_set() else "the codec crashed on it"
            raise _damaged(where, said)
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._worker is None:
            self._worker = subprocess.Popen(
                # -P: a folder of images must not be searched for modules.
                [sys.executable, "-P", "-m", "vertherm.imaging.dicom.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._worker

    def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.kill()
        for pipe in (worker.stdin, worker.stdout):
            try:
                assert pipe is not None
                pipe.close()
            except OSError:  # what was buffered for a process that is gone
                pass
        worker.wait()


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else int(value)


def _damaged(where: str, said: str) -> InputError:
    return InputError(
        "A DICOM file cannot be read.",
        where=where,
        got=f"its compressed pixels cannot be decoded: {said}",
        expected="a complete DICOM file",
        advice="copy or export the series again",
    )


def _size(dataset: Any, limits: Limits, where: str) -> tuple[int, int, int]:
    absent = [name for name in ("Rows", "Columns", "BitsAllocated", "PixelData") if dataset.get(name) is None]
    if absent:
        raise EOFError(f"the image has no {', '.join(absent)}")
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        raise InputError("This is a colour image.", where=where, expected="one sample a pixel")
    count = int(dataset.get("NumberOfFrames") or 1)
    rows, columns, bits = int(dataset.Rows), int(dataset.Columns), int(dataset.BitsAllocated)
    if min(count, rows, columns, bits) < 1 or bits > 32:
        raise InputError("The size of a DICOM image is impossible.", where=where, got=(count, rows, columns, bits))
    needed = count * rows * columns * max(bits // 8, 1)
    if needed > limits.pixel_bytes or max(rows, columns) > limits.side:
        got = f"{count} x {rows} x {columns} pixels, {needed} bytes"
        raise too_large(where, "An image", got, f"{limits.side} rows and columns, {limits.pixel_bytes} bytes")
    return count, rows, columns


def _syntax(dataset: Any, where: str) -> str:
    meta = getattr(dataset, "file_meta", None)
    syntax = str((meta.get("TransferSyntaxUID") if meta is not None else None) or "")
    enclosed = bool(dataset["PixelData"].is_undefined_length)
    if not syntax and not enclosed:
        # A file without meta information: the parser has seen how its elements are encoded.
        implicit, little = dataset.original_encoding
        from pydicom.dataset import FileMetaDataset

        dataset.file_meta = meta if meta is not None else FileMetaDataset()
        syntax = _NATIVE[0] if implicit else _NATIVE[1] if little else _NATIVE[2]
        dataset.file_meta.TransferSyntaxUID = syntax
    known = syntax in _NATIVE or syntax == RLE or syntax in CODECS
    if not known:
        raise InputError(
            "The pixels are encoded in a way that is not supported.",
            where=where,
            got=syntax or "no transfer syntax",
            expected="uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000",
            advice="export the series uncompressed",
        )
    if enclosed == (syntax in _NATIVE):
        raise InputError(
            "The transfer syntax of a DICOM file does not fit its pixels.",
            where=where,
            got=f"{'compressed' if enclosed else 'uncompressed'} pixels under {syntax}",
            advice="export the series again; the file was converted wrongly",
        )
    return syntax


def _whole(dataset: Any, size: tuple[int, int, int]) -> None:
    needed = (int(np.prod([int(n) for n in size], dtype=object)) * int(dataset.BitsAllocated) + 7) // 8
    held = len(dataset.PixelData)
    if held < needed:
        raise EOFError(f"{needed} bytes of pixels are stated, the file has {held}")


def _encapsulated(dataset: Any, count: int, where: str) -> list[bytes]:
    from pydicom.encaps import generate_frames

    with reading(where):
        table = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
        offsets = (bytes(table[0]), bytes(table[1])) if table[0] and table[1] else None
        frames = list(generate_frames(dataset.PixelData, number_of_frames=count, extended_offsets=offsets))
        if len(frames) != count:
            raise EOFError(f"{count} frames are stated, the file has {len(frames)}")
        return frames


def _rle_fits(frame: bytes, rows: int, columns: int, where: str) -> None:
    # A run unpacks to at most 64 times its bytes, an honest plane never packs to twice its size.
    if len(frame) > 64 + 16 * (2 * rows * columns + 64):
        raise InputError(
            "A compressed frame is longer than its image.", where=where, got=f"{len(frame)} bytes", expected="RLE"
        )


def _fits(frame: bytes, family: str, dataset: Any, where: str) -> None:
    says = stated(frame, where)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if says.family != family:
        raise InputError(
            "The transfer syntax of a DICOM file does not fit its pixels.",
            where=where,
            got=f"a {says.family} codestream",
            expected=family,
            advice="export the series again; the file was converted wrongly",
        )
    if (says.rows, says.columns, says.components) != (rows, columns, 1) or says.bits > int(dataset.BitsAllocated):
        raise InputError(
            "A compressed frame states another size than the header of its file.",
            where=where,
            got=f"{says.rows} x {says.columns} pixels, {says.components} component(s) of {says.bits} bits",
            expected=f"{rows} x {columns} pixels, 1 component of at most {dataset.BitsAllocated} bits",
            advice="check where the file comes from",
        )
