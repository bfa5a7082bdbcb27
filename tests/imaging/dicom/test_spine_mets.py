"""The layout of the collection Spine-Mets-CT-SEG, imitated with a real CT and a SEG made from its labels.

The collection itself is not here: what is tested is its folder layout, its segment names and the recipe of the guide.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.imaging.dicom_maker import seg_file
from tests.shared_data import need
from vertherm.clinical.levels import Level
from vertherm.core.errors import InputError
from vertherm.imaging.build import build_anatomy
from vertherm.imaging.dicom.source import open_source
from vertherm.imaging.nifti import read_nifti
from vertherm.imaging.read import on_ct_grid, read_ct, read_labels, read_mask
from vertherm.planning.case import load_case

STUDY = "Spine-Mets-CT-SEG/10250/04-04-2009-NA-SpineSPINEBONESBRT Adult-04098"
CT = f"{STUDY}/5.000000-SKINTOSKINSIM0.5MM10250a iMAR-27242"
SEG = f"{STUDY}/300.000000-Spine Segmentation-86171/1-1.dcm"
LABELS = {"T11 vertebra": 33, "T12 vertebra": 32}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One patient as the collection's download lays it out."""
    source = need("totalseg_dicom_T11T12")
    place = tmp_path_factory.mktemp("manifest")
    (place / CT).mkdir(parents=True)
    (place / SEG).parent.mkdir(parents=True)
    files = sorted(source.glob("*.dcm"))
    for number, file in enumerate(files, start=1):
        shutil.copy(file, place / CT / f"1-{number:03d}.dcm")
    ct = read_ct(source)
    codes = on_ct_grid(read_nifti(source / "seg_total117.nii.gz"), ct).data.astype(int)
    heights = np.rint([ct.grid.index(np.array(_position(f)) * [-1, -1, 1])[2] for f in files]).astype(int)
    masks = np.stack([codes[:, :, heights].transpose(2, 1, 0) == code for code in LABELS.values()], -1)
    seg_file(place / SEG, files, masks.astype(np.uint8), list(LABELS), SeriesDescription="Spine Segmentation")
    (place / "metadata.csv").write_text("Series UID,Collection\nx,Spine-Mets-CT-SEG\n")
    return place


def _position(file: Path) -> list[float]:
    return [float(v) for v in pydicom.dcmread(file, stop_before_pixels=True).ImagePositionPatient]


@pytest.mark.data
def test_the_collection_is_listed_and_its_ct_found_in_the_whole_download(collection: Path) -> None:
    with open_source(collection) as source:
        assert [(s.modality, s.instances) for s in source.series] == [("CT", 20), ("SEG", 1)]
        assert source.others == 1  # metadata.csv
    whole, series = read_ct(collection), read_ct(collection / CT)
    np.testing.assert_array_equal(whole.data, series.data)
    archive = collection.parent / "download.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in collection.rglob("*.dcm"):
            out.write(file, file.relative_to(collection))
    np.testing.assert_array_equal(read_ct(archive).data, series.data)


@pytest.mark.data
def test_its_vertebrae_become_levels_and_its_frame_is_checked(collection: Path) -> None:
    ct = read_ct(collection / CT)
    labels = read_labels(collection / SEG, ct)
    stored = on_ct_grid(read_nifti(need("totalseg_dicom_T11T12/seg_total117.nii.gz")), ct).data.astype(int)
    for number, code in enumerate(LABELS.values(), start=1):
        np.testing.assert_array_equal(labels.data == number, stored == code)
    anatomy = build_anatomy(ct, [(labels, "dicom")])
    assert set(anatomy.vertebrae) == {Level.T11, Level.T12}
    assert any("levels T11 to T12 come from the label map" in note for note in anatomy.notes)
    assert read_mask(collection / SEG, ct, "T12 vertebra").data.sum() == (stored == 32).sum()
    other = collection.parent / "other.dcm"
    ds = pydicom.dcmread(collection / SEG)
    ds.FrameOfReferenceUID = "1.2.3"
    ds.save_as(other)
    with pytest.raises(InputError, match="different frames of reference"):
        read_labels(other, ct)


@pytest.mark.data
def test_the_case_file_of_the_guide_is_one(collection: Path) -> None:
    """The TOML of the guide, as it stands there, names files of this layout and loads."""
    guide = (Path(__file__).resolve().parents[3] / "docs/how-to/spine-mets.md").read_text("utf-8")
    text = guide.split("```toml\n")[1].split("```")[0]
    case = collection / "case.toml"
    case.write_text(text, "utf-8")
    entry = load_case(case)
    assert entry.images.ct.exists()
    assert entry.images.labels[0].vocabulary == "dicom"
    labels = read_labels(entry.images.labels[0].path, read_ct(entry.images.ct))
    assert set(np.unique(labels.data)) == {0, 1, 2}
