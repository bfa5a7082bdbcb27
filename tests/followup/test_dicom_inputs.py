"""``vertherm verify`` on what hospitals hand over: DICOM series and masks, MR, partial examinations.

The same examination and the same mask, as NIfTI and as DICOM, must give the same numbers (grey values are whole HU in
DICOM, so margins may differ by hundredths of a millimetre).
"""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import generate_uid

from tests.followup.planned_folder import ball, examination, planned_folder, rigid
from tests.imaging.dicom_series import write_series
from vertherm.core.errors import InputError
from vertherm.followup.document import TargetExamination
from vertherm.followup.entry import load_followup
from vertherm.followup.planned import Planned, load_planned
from vertherm.followup.rows import verification
from vertherm.followup.verify import verify
from vertherm.geometry.volume import Volume
from vertherm.imaging.dicom_objects import codes
from vertherm.imaging.dicom_objects.marks import Marks
from vertherm.imaging.dicom_objects.rtstruct import write_rtstruct
from vertherm.imaging.dicom_objects.segmentation import WrittenSegment, write_segmentation
from vertherm.imaging.dicom_objects.source import source_series
from vertherm.imaging.nifti import read_nifti, write_nifti
from vertherm.imaging.synthetic_followup import Paint

pytestmark = [pytest.mark.data, pytest.mark.slow]
MARKS = Marks("masks of a reader", datetime(2026, 1, 2), True, "seed")
ZONE_MM = 11.0


@dataclass
class Hospital:
    """A plan, one examination as NIfTI and DICOM, and a drawn zone on it."""

    folder: Path
    planned: Planned
    motion: np.ndarray
    zone: Volume

    def row(self, *lines: str, name: str = "entry") -> TargetExamination:
        """The one row of a follow-up file."""
        path = self.folder / f"{name}.toml"
        path.write_text("[[examinations]]\nname = 'x'\n" + "\n".join(lines), "utf-8")
        (row,) = verification(verify(self.planned, load_followup(path))).rows
        return row


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    folder = tmp_path_factory.mktemp("hospital")
    plan, case = planned_folder(folder / "plan")
    treated = ball(case.targets[0].centre_mm, ZONE_MM)
    motion = rigid(case, (2.0, 0.0, 3.0), (5.0, 0.0, -3.0))
    examination(case, folder, "day1", motion, [Paint(treated, -15.0, enhances=0.0)])
    study = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}
    for suffix, kind in (("", "ct"), ("_native", "native")):
        image = read_nifti(folder / f"SYNTHETIC_day1{suffix}.nii.gz")
        write_nifti(image.with_data(np.rint(image.data).astype(np.float32)), folder / f"SYNTHETIC_{kind}.nii.gz")
        write_series(image, folder / f"SYNTHETIC_{kind}", **study)
    both = folder / "SYNTHETIC_both"
    both.mkdir()
    for kind in ("ct", "native"):
        for path in (folder / f"SYNTHETIC_{kind}").iterdir():
            shutil.copyfile(path, both / f"{kind}_{path.name}")
    source = source_series(folder / "SYNTHETIC_ct")
    points = source.grid.centres()
    back = np.linalg.inv(motion)
    own = points @ back[:3, :3].T + back[:3, 3]
    zone = Volume(np.linalg.norm(own - case.targets[0].centre_mm, axis=-1) < ZONE_MM, source.grid, "drawn")
    write_nifti(zone.with_data(zone.data.astype(np.uint8)), folder / "zone.nii.gz")
    other = zone.with_data(np.roll(zone.data, 12, axis=2))
    segments = [
        WrittenSegment("something else", codes.STRUCTURE, other),
        WrittenSegment("treated zone", codes.ZONE, zone, by_program=False),
    ]
    write_segmentation(source, segments, MARKS).save_as(folder / "seg.dcm", enforce_file_format=True)
    write_rtstruct(source, segments, MARKS).save_as(folder / "rtstruct.dcm", enforce_file_format=True)
    return Hospital(folder, load_planned(plan), motion, zone)


PLAIN = ("image = 'SYNTHETIC_ct.nii.gz'", "native = 'SYNTHETIC_native.nii.gz'", "contrast = true")


def numbers(row: TargetExamination) -> list[float]:
    assert row.margin is not None
    assert row.zone is not None
    assert row.margin.minimum_mm is not None
    return [row.margin.minimum_mm, row.margin.coverage, row.zone.volume_ml, row.zone.edge_sd_mm]


def series_uid(folder: Path, kind: str) -> str:
    return str(source_series(folder / f"SYNTHETIC_{kind}").first.SeriesInstanceUID)


def test_an_examination_as_dicom_gives_the_same_numbers(hospital: Hospital) -> None:
    """Folder, ZIP, one file, and two series of one folder by their UIDs."""
    expected = numbers(hospital.row(*PLAIN))
    folder = hospital.folder
    for kind in ("ct", "native"):
        with zipfile.ZipFile(folder / f"SYNTHETIC_{kind}.zip", "w") as out:
            for path in (folder / f"SYNTHETIC_{kind}").iterdir():
                out.write(path, path.name)
    uids = [
        f"{name} = '{series_uid(folder, kind)}'"
        for name, kind in (("series_uid", "ct"), ("native_series_uid", "native"))
    ]
    for lines in (
        ("image = 'SYNTHETIC_ct'", "native = 'SYNTHETIC_native'"),
        ("image = 'SYNTHETIC_ct.zip'", "native = 'SYNTHETIC_native.zip'"),
        ("image = 'SYNTHETIC_ct/000.dcm'", "native = 'SYNTHETIC_native/007.dcm'"),
        ("image = 'SYNTHETIC_both'", "native = 'SYNTHETIC_both'", *uids),
    ):
        row = hospital.row(*lines, "contrast = true")
        assert numbers(row) == pytest.approx(expected, abs=0.02), lines
        assert row.frame_uid
        assert row.registration.status == "ok"
        assert "registration of one vertebra" in row.registration.method
        assert row.registration.similarity > 0.9
        assert row.registration.agreement > 0.95
        assert row.registration.covered > 0.9
        assert row.registration.strain < 0.02
        assert row.margin.beyond_barrier < 0.2


def test_a_drawn_zone_as_dicom_gives_the_same_numbers(hospital: Hospital) -> None:
    """Segment by number and by text, contours by their region's name."""
    lines = ("image = 'SYNTHETIC_ct'", "contrast = false", "[[examinations.targets]]")
    expected = numbers(hospital.row(*lines, "zone = { path = 'zone.nii.gz' }"))
    for text in ("path = 'seg.dcm', label = 2", "path = 'seg.dcm', label = 'treated zone'"):
        row = hospital.row(*lines, f"zone = {{ {text} }}")
        assert numbers(row) == expected
        assert row.zone is not None
        assert row.zone.given
    contoured = numbers(hospital.row(*lines, "zone = { path = 'rtstruct.dcm', label = 'treated zone' }"))
    assert contoured == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ("path = 'seg.dcm', label = 'cement'", "treated zone"),
        ("path = 'seg.dcm', label = 7", "7"),
        ("path = 'seg.dcm', label = 2, frame = 'planning'", "different frames of reference"),
        ("path = 'empty.nii.gz'", "empty"),
        ("path = 'far.nii.gz'", "beyond the region"),
        ("path = 'nothing.dcm'", "nothing.dcm"),
    ],
)
def test_masks_that_do_not_fit_are_refused(hospital: Hospital, zone: str, message: str) -> None:
    lines = ("image = 'SYNTHETIC_ct'", "contrast = false", "[[examinations.targets]]")
    data = hospital.zone.data.astype(np.uint8)
    write_nifti(hospital.zone.with_data(0 * data), hospital.folder / "empty.nii.gz")
    corner = 0 * data
    corner[:6, :6, :6] = 1
    write_nifti(hospital.zone.with_data(corner), hospital.folder / "far.nii.gz")
    if "planning" in zone:
        # The planning scan of this plan is NIfTI, which has no frame: as DICOM it has one of its own.
        hospital = _with_dicom_plan(hospital)
    with pytest.raises(InputError) as error:
        hospital.row(*lines, f"zone = {{ {zone} }}")
    assert message in str(error.value)


def _with_dicom_plan(hospital: Hospital) -> Hospital:
    from dataclasses import replace

    case = hospital.planned.case
    grid = replace(case.anatomy.ct.grid, frame=generate_uid())
    anatomy = replace(case.anatomy, ct=Volume(case.anatomy.ct.data, grid, "as DICOM"))
    return replace(hospital, planned=replace(hospital.planned, case=replace(case, anatomy=anatomy)))


def test_tumour_masks(hospital: Hospital) -> None:
    """An empty one is no complete response; one far away is measured whole."""
    lines = ("image = 'SYNTHETIC_ct'", "contrast = false", "[[examinations.targets]]")
    write_nifti(hospital.zone.with_data(0 * hospital.zone.data.astype(np.uint8)), hospital.folder / "none.nii.gz")
    with pytest.raises(InputError, match="viable tumour is empty"):
        hospital.row(*lines, "tumour = { path = 'none.nii.gz' }")
    gone = hospital.row(*lines, "no_tumour = true")
    assert [item.response for item in gone.suggestions if item.criterion == "mda"] == ["cr"]
    drawn = hospital.row(*lines, "tumour = { path = 'seg.dcm', label = 2 }")
    assert drawn.tumour is not None
    assert drawn.tumour.longest_mm == pytest.approx(2 * ZONE_MM, rel=0.05)


def mr_of(hu: Volume, medium: Volume | None, seed: int) -> Volume:
    """MR-like grey values: bright marrow, grey muscle, black cortex and air, a coil's slope, Rician-like noise."""
    draw = np.random.default_rng(seed)
    x = hu.data.astype(float)
    grey = np.where(
        x < -300, 0.0, 120 + 300 * np.exp(-(((x - 200) / 180) ** 2)) - 80 * np.exp(-(((x + 100) / 60) ** 2))
    )
    if medium is not None:
        grey += 5.0 * medium.data
    slope = 1.0 + 0.2 * np.linspace(-1, 1, x.shape[1])[None, :, None]
    grey = np.hypot(grey * slope + 6 * draw.standard_normal(x.shape), 6 * draw.standard_normal(x.shape))
    return hu.with_data(grey.astype(np.float32))


def test_mr(hospital: Hospital) -> None:
    """Registered across modalities, zone from contrast; cement must be stated, and is never claimed."""
    native = read_nifti(hospital.folder / "SYNTHETIC_native.nii.gz")
    enhanced = read_nifti(hospital.folder / "SYNTHETIC_ct.nii.gz")
    medium = native.with_data(enhanced.data - native.data)
    study: dict[str, Any] = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}
    for kind, image in (("t1", mr_of(native, None, 1)), ("t1c", mr_of(native, medium, 2))):
        write_series(image, hospital.folder / f"SYNTHETIC_{kind}", modality="MR", **study)
    both = hospital.folder / "SYNTHETIC_mr"
    both.mkdir()
    for kind in ("t1", "t1c"):
        for path in (hospital.folder / f"SYNTHETIC_{kind}").iterdir():
            shutil.copyfile(path, both / f"{kind}_{path.name}")
    uids = {kind: mr_uid(hospital.folder / f"SYNTHETIC_{kind}") for kind in ("t1", "t1c")}
    lines = (
        "modality = 'MR'",
        "image = 'SYNTHETIC_mr'",
        f"series_uid = '{uids['t1c']}'",
        "native = 'SYNTHETIC_mr'",
        f"native_series_uid = '{uids['t1']}'",
        "contrast = true",
        "shift_mm = [4.0, 1.0, -2.0]",
    )
    silent = hospital.row(*lines)
    assert silent.zone is None
    assert "no_cement" in silent.no_zone
    row = hospital.row(*lines, "[[examinations.targets]]", "no_cement = true")
    # The place is right; the neighbouring level fits nearly as well in this short scan, so coverage stays open.
    assert row.registration.status in ("ok", "doubtful")
    assert row.coverage == "not assessed" or row.registration.status == "ok"
    matrix = np.array(row.registration.matrix)
    lesion = hospital.planned.case.targets[0].mask
    points = lesion.grid.world(np.argwhere(lesion.data))
    apart = points @ (matrix - hospital.motion)[:3, :3].T + (matrix - hospital.motion)[:3, 3]
    assert np.linalg.norm(apart, axis=1).max() < 1.0
    assert row.cement is None
    assert row.zone is not None
    assert row.zone.volume_ml == pytest.approx(4 / 3 * np.pi * ZONE_MM**3 / 1000, rel=0.15)
    assert row.margin is not None


def mr_uid(folder: Path) -> str:
    return str(source_series(folder, modality="MR").first.SeriesInstanceUID)


def test_a_black_image_is_no_registration(hospital: Hospital) -> None:
    native = read_nifti(hospital.folder / "SYNTHETIC_native.nii.gz")
    draw = np.random.default_rng(0)
    noise = np.abs(draw.normal(0.0, 8.0, native.data.shape)).astype(np.float32)
    write_nifti(native.with_data(noise), hospital.folder / "SYNTHETIC_black.nii.gz")
    row = hospital.row(
        "modality = 'MR'", "image = 'SYNTHETIC_black.nii.gz'", "contrast = true", "shift_mm = [4.0, 1.0, -2.0]"
    )
    assert row.registration.status != "ok"
    assert row.coverage == "not assessed"
    assert row.progression == "not assessed"


def test_an_examination_that_ends_within_the_lesion_is_not_judged(hospital: Hospital) -> None:
    for kind in ("ct", "native"):
        whole = read_nifti(hospital.folder / f"SYNTHETIC_{kind}.nii.gz")
        point = hospital.motion[:3, :3] @ hospital.planned.case.targets[0].centre_mm + hospital.motion[:3, 3]
        last = int(whole.grid.index(point[None])[0, 2])
        write_nifti(_lower(whole, last), hospital.folder / f"SYNTHETIC_cut_{kind}.nii.gz")
    row = hospital.row("image = 'SYNTHETIC_cut_ct.nii.gz'", "native = 'SYNTHETIC_cut_native.nii.gz'", "contrast = true")
    assert row.coverage == "not assessed"
    if row.margin is not None:
        assert "inside the image" in row.words


def _lower(volume: Volume, last: int) -> Volume:
    from dataclasses import replace

    data = volume.data[:, :, :last]
    shape = (data.shape[0], data.shape[1], data.shape[2])
    return Volume(data, replace(volume.grid, shape=shape), volume.source)
