"""A made series on an oblique, anisotropic grid, and results of known shape on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import generate_uid

from tests.imaging.dicom_maker import enhanced_file, slice_file
from vertherm.imaging.dicom_objects.marks import Marks
from vertherm.imaging.dicom_objects.source import SourceSeries, source_series

Maker = Callable[..., SourceSeries]


def cosines(degrees: float) -> tuple[float, ...]:
    """Rows and columns turned about two axes."""
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(a / 2), -np.sin(a / 2)], [0, np.sin(a / 2), np.cos(a / 2)]])
    axes = turn @ tilt
    return tuple(axes[:, 0]) + tuple(axes[:, 1])


@pytest.fixture
def series(tmp_path: Path) -> Maker:
    """Makes a series of 14 slices of 40 rows and 48 columns, stored in shuffled order; ``frames`` in one file."""

    def make(degrees: float = 0.0, name: str = "series", frames: str = "", **elements: object) -> SourceSeries:
        folder = tmp_path / name
        folder.mkdir()
        orientation = np.array(cosines(degrees))
        normal = np.cross(orientation[:3], orientation[3:])
        uid, study = generate_uid(), generate_uid()
        image = np.random.default_rng(0).integers(900, 1200, (14, 40, 48))
        order = np.random.default_rng(1).permutation(14)
        places = np.array([-30.0, 12.5, 7.25]) + 2.5 * np.arange(14)[:, None] * normal
        if frames:
            path = folder / "all.dcm"
            along, at = orientation.tolist(), places[order].tolist()
            enhanced_file(path, image[order], at, modality=frames, orientation=along, **elements)
            return source_series(folder, modality=frames)
        for k in order:
            slice_file(
                folder / f"{k}.dcm",
                image[k],
                places[k],
                series=uid,
                orientation=tuple(orientation),
                StudyInstanceUID=study,
                **elements,
            )
        return source_series(folder)

    return make


@pytest.fixture
def marks() -> Marks:
    return Marks("made-up plan", datetime(2026, 1, 2, 3, 4, 5), True, "seed of the results", ("perfusion of bone",))
