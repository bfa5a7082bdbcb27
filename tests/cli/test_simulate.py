"""The command line as a user meets it: exit statuses, one JSON document, clear refusals, nothing half-written."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.cli.conftest import OnDisk
from tests.shared_data import need
from vertherm.planning.assessment import Assessment

Command = Callable[..., int]


def test_simulate_writes_the_contract(
    phantom_on_disk: OnDisk, vertherm: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warm treatment beside the pedicle breaks a limit: exit 3, and everything of the contract is there."""
    out = tmp_path / "out"
    case = phantom_on_disk.case("power_w = 15.0\ntime_s = 20", "power_w = 40.0\ntime_s = 120")
    assert vertherm("simulate", case, "-o", out, "--json", "--workers", 1) == 3
    printed = capsys.readouterr().out
    document = json.loads(printed)
    assert document == json.loads((out / "assessment.json").read_text("utf-8"))
    assessment = Assessment.model_validate(document)
    assert assessment.verdict == "stop"
    assert (out / "report.html").stat().st_size > 10_000
    peak = nib.load(out / "fields" / "peak_temperature_c.nii.gz")
    zone = nib.load(out / "fields" / "zone_cem43_240.nii.gz")
    assert peak.shape == zone.shape
    assert np.asarray(peak.dataobj).max() > 60.0
    assert {row.member for row in assessment.energy_balance} == {member["name"] for member in assessment.members}
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_feeble_treatment_exits_0(phantom_on_disk: OnDisk, vertherm: Command, tmp_path: Path) -> None:
    case = phantom_on_disk.case("power_w = 15.0\ntime_s = 20", "power_w = 0.5\ntime_s = 5")
    assert vertherm("simulate", case, "-o", tmp_path / "out", "--workers", 1) == 0


def _refused(vertherm: Command, case: Path, out: Path, capsys: pytest.CaptureFixture[str], message: str) -> None:
    status = vertherm("simulate", case, "-o", out, "--workers", 1)
    errors = capsys.readouterr().err
    assert status == 2, errors
    assert re.search(message, errors), errors
    assert "Traceback" not in errors
    assert not out.exists()
    assert [p.name for p in out.parent.iterdir() if "partial" in p.name] == []


CASE_FAULTS = [
    ('ct = "ct.nii.gz"', 'ct = "none.nii.gz"', "no CT here"),
    ('vocabulary = "vertherm"', 'vocabulary = "mine"', "vocabulary is unknown"),
    ("power_w = 15.0", "power_w = -15.0", "power_w"),
    ("tip = [5, 8, 0]", "tip = [5, 300, 0]", "tip lies outside the image"),
    ("tip = [5, 8, 0]", "tip = [0, -103, 0]", "tip lies outside the body"),
    (
        "entry = [25, -60, 0]\ntip = [5, 8, 0]",
        "entry = [0, -80, 0]\ntip = [0, 0, 0]",
        "passes through the spinal canal",
    ),
    ('model = "tosoratti_mini_choke"', 'model = "wonder"', "Unknown antenna"),
    ('frame = "RAS"', 'frame = "RAS"\nfrequency_mhz = 5800', "not catalogued at this frequency"),
    ('mask = "lesion.nii.gz"', 'mask = "labels.nii.gz"\nlabel = 9999', "(?i)empty"),
    ("[numerics]", "[protocol]\npath = 'none.toml'\n[numerics]", "protocol file does not exist"),
]


@pytest.mark.parametrize(("old", "new", "message"), CASE_FAULTS)
def test_wrong_case_is_refused(
    phantom_on_disk: OnDisk,
    vertherm: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    message: str,
) -> None:
    _refused(vertherm, phantom_on_disk.case(old, new), tmp_path / "out", capsys, message)


def _rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray], shift_mm: float = 0.0) -> None:
    image = nib.load(path)
    affine = image.affine.copy()
    affine[:3, 3] += shift_mm
    data = change(np.asarray(image.dataobj))
    nib.save(nib.Nifti1Image(data, affine), path)


def _nan(data: np.ndarray) -> np.ndarray:
    data = data.astype(np.float32)
    data[3, 3, 3] = np.nan
    return data


IMAGE_FAULTS: list[tuple[str, Callable[[Path], None], str]] = [
    ("NaN", lambda f: _rewrite(f / "ct.nii.gz", _nan), "(?i)not numbers|NaN|finite"),
    ("0..1", lambda f: _rewrite(f / "ct.nii.gz", lambda d: ((d + 1000) / 3000).astype(np.float32)), "Hounsfield|HU"),
    ("0..4095", lambda f: _rewrite(f / "ct.nii.gz", lambda d: (d + 1024).astype(np.float32)), "Hounsfield|HU"),
    ("labels elsewhere", lambda f: _rewrite(f / "labels.nii.gz", lambda d: d, 2000.0), "frame"),
    (
        "lesion in air",
        lambda f: _rewrite(f / "lesion.nii.gz", lambda d: np.roll(d, 25, axis=1)),
        "(?i)outside|air|empty",
    ),
    (
        "truncated",
        lambda f: (f / "ct.nii.gz").write_bytes((f / "ct.nii.gz").read_bytes()[:2000]) and None,
        "(?i)read|trunc",
    ),
    ("no image", lambda f: (f / "ct.nii.gz").write_text("hello") and None, "(?i)read|NIfTI"),
]


@pytest.mark.parametrize(("name", "spoil", "message"), IMAGE_FAULTS, ids=[fault[0] for fault in IMAGE_FAULTS])
def test_wrong_image_is_refused(
    phantom_on_disk: OnDisk,
    vertherm: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    spoil(phantom_on_disk.folder)
    _refused(vertherm, phantom_on_disk.case(), tmp_path / "out", capsys, message)


def test_empty_folder_is_refused(
    phantom_on_disk: OnDisk, vertherm: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (phantom_on_disk.folder / "series").mkdir()
    case = phantom_on_disk.case('ct = "ct.nii.gz"', 'ct = "series"')
    _refused(vertherm, case, tmp_path / "out", capsys, "(?i)no DICOM|empty")


@pytest.mark.data
def test_missing_slice_is_refused(
    phantom_on_disk: OnDisk, vertherm: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = need("totalseg_dicom_T11T12/ct_00.dcm").parent
    series = phantom_on_disk.folder / "series"
    series.mkdir()
    for path in source.glob("*.dcm"):
        if path.name != "ct_09.dcm":
            shutil.copy(path, series)
    case = phantom_on_disk.case('ct = "ct.nii.gz"', 'ct = "series"')
    _refused(vertherm, case, tmp_path / "out", capsys, "(?i)slice")


def test_full_disk_is_refused(
    phantom_on_disk: OnDisk,
    vertherm: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vertherm.planning.outputs.write_fields", full)
    case = phantom_on_disk.case("power_w = 15.0\ntime_s = 20", "power_w = 0.5\ntime_s = 5")
    _refused(vertherm, case, tmp_path / "out", capsys, "No space left")


def test_reconstruction_through_the_canal_stays_stop(
    phantom_on_disk: OnDisk, vertherm: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A feeble treatment along a needle through the canal: accepted to reconstruct, status stop all the same."""
    case = phantom_on_disk.case("entry = [25, -60, 0]\ntip = [5, 8, 0]", "entry = [0, -80, 0]\ntip = [0, 0, 0]")
    text = case.read_text().replace("power_w = 15.0\ntime_s = 20", "power_w = 0.5\ntime_s = 5")
    case.write_text(text + "\n[protocol]\nreconstruction = true\n")
    assert vertherm("simulate", case, "-o", tmp_path / "out", "--json", "--workers", 1) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "stop"
    row = next(row for row in document["structures"] if row["name"] == "canal")
    assert row["status"] == "stop"
    assert row["peak_temperature_c"]["high"] < 45.0, "the heat alone would not have stopped it"


def test_usage_errors_exit_2(vertherm: Command) -> None:
    assert vertherm("simulate") == 2
    assert vertherm("nonsense") == 2
    assert vertherm("--version") == 0
