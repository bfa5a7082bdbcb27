"""Servers and small series for the tests of archives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from tests.imaging.dicom_maker import phantom_hu, series
from tests.imaging.pacs.archives import Series
from tests.servers.orthanc import certificates, orthanc, orthanc_tls

__all__ = ["certificates", "orthanc", "orthanc_tls"]


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Series]:
    """Makes a series of so many slices in a new folder, of a study of its own."""

    def make(count: int = 5, **elements: object) -> Series:
        folder = tmp_path / f"series-{generate_uid()[-8:]}"
        study = generate_uid()
        uid = series(folder, phantom_hu(count), **{"StudyInstanceUID": study, **elements})
        return Series(folder, study, uid)

    return make
