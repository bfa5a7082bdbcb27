"""Headers of several makers: nothing of the person is left, and the images are the same."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.imaging.deidentify import vendor_headers
from tests.imaging.deidentify.samples import KEY, all_bytes, holds, save
from tests.imaging.deidentify.test_property import EXAMPLES, people, secrets_of
from tests.imaging.deidentify.test_sets import same_but_mapped
from tests.servers.dicom_tools import violations
from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.run import deidentify

OPTIONS: list[dict[str, Any]] = [
    {}, {"dates": "remove"}, {"descriptors": False}, {"retain": frozenset({"patient", "safe-private"})},
    {"graphics": True},
]  # fmt: skip
SOMEBODY = {
    "charset": "ISO_IR 100", "name": "Müllenhöfer^Günther", "number": "HX4471990", "accession": "ACC77412",
    "birth": date(1951, 2, 3), "study": date(2019, 7, 4), "phone": "+49 89 5556667", "street": "Zwirnerweg 101",
    "institution": "Klinikum Zqabcdhausen", "uid": "1.2.826.0.99.123456789", "operator": "Quillington^Barnaby",
    "station": "CTAWP77412X", "serial": "SN9931177",
}  # fmt: skip


@st.composite
def staffed(draw: st.DrawFn) -> dict[str, Any]:
    """A made-up person with those who scanned, and the device."""
    number = draw(st.integers(10**5, 10**8))
    return {
        **draw(people()),
        "operator": draw(st.sampled_from(["Quillington^Barnaby", "Zurbriggen^Xaver", "Okonkwo^Ngozi"])),
        "station": f"CTAWP{number}", "serial": f"SN{number + 7}",
    }  # fmt: skip


def left(data: bytes, person: dict[str, Any]) -> list[str]:
    """What of the person, the staff and the device is left."""
    extra = [person["station"], person["serial"], *person["operator"].split("^")]
    return [secret for secret in [*secrets_of(person), *extra] if holds(data, secret)]


def written(folder: Path, maker: str, person: dict[str, Any]) -> Path:
    objects = vendor_headers.of(maker, person)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return save(folder, *objects)


@pytest.mark.parametrize("maker", sorted(vendor_headers.MAKERS))
def test_nothing_of_the_person_is_left(maker: str) -> None:
    """In every byte of the output, whatever the options; and the input did hold all of it."""

    @given(person=staffed(), options=st.sampled_from(OPTIONS))
    @example(person=SOMEBODY, options={})
    @settings(max_examples=max(EXAMPLES // 12, 1), deadline=None, suppress_health_check=list(HealthCheck))
    def search(person: dict[str, Any], options: dict[str, Any]) -> None:
        folder = Path(tempfile.mkdtemp())
        try:
            source = written(folder / "in", maker, person)
            assert left(all_bytes(source), person)
            outcome = deidentify(source, folder / "out", KEY, Profile(**options))
            assert outcome.refused == []
            assert left(all_bytes(folder / "out"), person) == []
        finally:
            shutil.rmtree(folder)

    search()


@pytest.mark.parametrize("maker", sorted(vendor_headers.MAKERS))
def test_images_are_the_same(maker: str, tmp_path: Path) -> None:
    """Pixels and geometry bit for bit, no private element, and no error of dciodvfy that the input did not have."""
    outcome = deidentify(written(tmp_path / "in", maker, SOMEBODY), tmp_path / "out", KEY)
    assert outcome.refused == []
    for before, after in outcome.written.items():
        same_but_mapped(before, after)
        assert Counter(violations(after)) <= Counter(violations(before))
        old, new = pydicom.dcmread(before), pydicom.dcmread(after)
        assert not [element for element in new.iterall() if element.tag.is_private]
        if "PixelData" in new and new.Modality in ("CT", "MR"):
            assert (new.pixel_array == old.pixel_array).all()
        assert _places(new) == _places(old)


def _places(ds: Any) -> list[tuple[str, Any]]:
    """Every element that places something, at every depth."""
    names = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ContourData", "DimensionIndexValues")
    return [(element.keyword, element.value) for element in ds.iterall() if element.keyword in names]


def test_retained_safe_private_numbers(tmp_path: Path) -> None:
    """Of the makers' blocks only the listed numbers stay when that is asked for."""
    profile = Profile(retain=frozenset({"safe-private"}))
    outcome = deidentify(written(tmp_path / "in", "ge", SOMEBODY), tmp_path / "out", KEY, profile)
    (path,) = outcome.written.values()
    kept = {element.tag.group for element in pydicom.dcmread(path) if element.tag.is_private}
    assert kept <= {0x0019, 0x0025, 0x0043, 0x0045}
    assert 0x0019 in kept
