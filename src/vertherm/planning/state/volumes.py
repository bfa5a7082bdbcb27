"""Volumes of a planned case in one compressed file: voxel-identical, without pickle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import Grid, Volume

COMPRESSION = 1
"""zlib level: higher ones take several times as long for a few per cent."""


class VolumeStore:
    """Collects volumes to be written; the same volume used twice is stored once."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self._arrays: dict[str, NDArray[Any]] = {}
        self._kept: dict[int, tuple[str, Volume]] = {}

    def add(self, volume: Volume) -> str:
        """Take ``volume`` in; returns the key under which :func:`read_volumes` gives it back."""
        if id(volume) in self._kept:
            return self._kept[id(volume)][0]
        key = f"v{len(self.rows)}"
        self._kept[id(volume)] = (key, volume)
        stored = _stored(volume.data)
        self._arrays[key] = stored
        self.rows[key] = {
            "shape": list(volume.grid.shape),
            "affine": volume.grid.affine.tolist(),
            "frame": volume.grid.frame,
            "source": without_folder(volume.source),
            "dtype": volume.data.dtype.str,
        }
        return key

    def write(self, path: Path) -> None:
        """Write every array as an .npz that :func:`numpy.load` reads."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
            for key, array in self._arrays.items():
                stream = io.BytesIO()
                np.lib.format.write_array(stream, array, allow_pickle=False)
                archive.writestr(f"{key}.npy", stream.getbuffer())


def without_folder(source: str) -> str:
    """The name alone where ``source`` is the path of a file: folders may identify a person or a machine."""
    return Path(source).name if Path(source).is_absolute() else source


def _stored(data: NDArray[Any]) -> NDArray[Any]:
    """What goes into the file: masks as bits, whole Hounsfield units as int16, anything else as it is."""
    if data.dtype == np.bool_:
        return np.packbits(data)
    if data.dtype == np.float32 and data.size and np.abs(data).max() < 32767 and (data == np.rint(data)).all():
        # Negative zero is the one whole number that int16 would change; as Hounsfield units both are the same.
        return data.astype(np.int16)
    return data


def read_volumes(path: Path, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Volume]:
    """The volumes that :meth:`VolumeStore.write` left, by key.

    Raises:
        KeyError, ValueError, OSError, zipfile.BadZipFile: the file is damaged (the caller says which file).
    """
    found = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key, row in rows.items():
            shape = tuple(int(n) for n in row["shape"])
            dtype = np.dtype(str(row["dtype"]))
            data = arrays[key]
            if dtype == np.bool_:
                data = np.unpackbits(data, count=int(np.prod(shape))).astype(bool)
            grid = Grid((shape[0], shape[1], shape[2]), np.array(row["affine"], float), str(row["frame"]))
            array = np.ascontiguousarray(data.reshape(shape)).astype(dtype, copy=False)
            found[key] = Volume(array, grid, str(row["source"]))
    return found
