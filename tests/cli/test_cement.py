"""``vertherm cement`` as a user calls it, on the phantom on disk: good runs, wrong input, what is only marked.

Measured cement takes the place of the samples wherever a test is not about them: it is quick.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.cli.conftest import CASE, OnDisk
from vertherm.core.errors import InputError
from vertherm.planning.cement.document import CementDocument

BARE = CASE[: CASE.index("[[applicators]]")]
NEEDLE = '[[cement.needles]]\nentry = [25, -60, 0]\ntip = [5, 8, 0]\nframe = "RAS"\n'
PREDICTED = "[cement]\nsamples = 10\nheat = false\nstrength = false\n" + NEEDLE
MEASURED = '[cement]\nheat = false\nstrength = false\n[[cement.measured]]\nmask = "lesion.nii.gz"\n'
Run = Callable[..., int]


@pytest.fixture
def cement(phantom_on_disk: OnDisk, vertherm: Run) -> Run:
    """Runs the command on the phantom with the given end of the case file."""

    def run(text: str, *arguments: str) -> int:
        case = phantom_on_disk.folder / "case.toml"
        case.write_text(BARE + text)
        return vertherm("cement", str(case), "-o", str(phantom_on_disk.folder / "out"), "--workers", "1", *arguments)

    return run


def out(patient: OnDisk) -> Path:
    return patient.folder / "out"


def document(patient: OnDisk) -> CementDocument:
    return CementDocument.model_validate(json.loads((out(patient) / "cement.json").read_text("utf-8")))


def edit(patient: OnDisk, change: Callable[[nib.Nifti1Image], nib.Nifti1Image], *names: str) -> None:
    """Write images of the patient anew."""
    for name in names:
        path = patient.folder / f"{name}.nii.gz"
        image = nib.load(path)
        nib.save(change(nib.Nifti1Image(np.asarray(image.dataobj), image.affine)), path)


def test_a_prediction_leaves_numbers_page_and_fields(cement: Run, phantom_on_disk: OnDisk, capsys) -> None:
    assert cement(PREDICTED + "[cement.volume_ml]\ntarget = 2.0\n", "--json") == 0
    printed = CementDocument.model_validate(json.loads(capsys.readouterr().out))
    assert printed == document(phantom_on_disk)
    (row,) = printed.targets
    assert row.fill.injected_ml == 2.0
    assert row.samples + row.failed == 10
    assert printed.status in ("not assessed", "stop")  # ten samples cannot show that a leak is unlikely
    fields = out(phantom_on_disk) / "fields"
    share = nib.load(fields / "target_cement_share.nii.gz")
    held = float(np.asarray(share.dataobj).sum() * abs(np.linalg.det(share.affine[:3, :3]))) / 1000.0
    assert held == pytest.approx(2.0, rel=0.05)
    assert {item.name for item in out(phantom_on_disk).iterdir()} == {"cement.html", "cement.json", "fields"}


def test_measured_cement_is_told_in_words(cement: Run, phantom_on_disk: OnDisk, capsys) -> None:
    assert cement(MEASURED) == 0
    said = capsys.readouterr().out
    assert "measured: 2.0 ml" in said
    assert "canal: no cement seen there" in said
    assert "Heat was not computed" in said
    found = document(phantom_on_disk)
    assert found.targets[0].samples == 0
    assert found.not_assessed == ["leakage to the disc at target", "curing at target", "strength at target"]
    assert "leakage to the disc at target" in (out(phantom_on_disk) / "cement.html").read_text("utf-8")


WRONG = {
    "cement that nobody knows": (PREDICTED.replace("samples", 'type = "epoxy"\nsamples'), "medium_viscosity"),
    "no volume": (PREDICTED + "[cement.volume_ml]\ntarget = 0\n", "above 0, at most 30 ml"),
    "far too much": (PREDICTED + "[cement.volume_ml]\ntarget = 50\n", "above 0, at most 30 ml"),
    "unknown target": (PREDICTED + "[cement.volume_ml]\nlesion = 2\n", "There is no target of this name."),
    "needle in muscle": (PREDICTED.replace("[5, 8, 0]", "[25, -50, 0]"), "check the coordinates and their frame"),
    "needle outside the image": (PREDICTED.replace("[5, 8, 0]", "[500, -50, 0]"), "opening lies outside the bone"),
    "a needle without length": (PREDICTED.replace("[5, 8, 0]", "[25, -60, 0]"), "Entry and tip of a needle coincide."),
    "too few samples": (PREDICTED.replace("samples = 10", "samples = 3"), "greater than or equal to 10"),
    "a slip of the pen": (PREDICTED.replace("heat", "haet"), "cement.haet"),
    "mask and scan": (MEASURED + 'ct = "ct.nii.gz"\n', "exactly one of mask and ct"),
    "mask that is not there": (MEASURED.replace("lesion.nii", "gone.nii"), "There is no such image file."),
    "cement that has set": (
        PREDICTED.replace("samples", "start_after_mixing_s = 3600\nsamples"),
        "no longer be worked",
    ),
    "two masks of one target": (
        MEASURED + '[[cement.measured]]\nmask = "lesion.nii.gz"\n',
        "Two measured cements for one target.",
    ),
    "a mask and a volume": (MEASURED + "[cement.volume_ml]\ntarget = 2\n", "leave one of them out"),
    "threshold above everything": (
        MEASURED.replace('mask = "lesion.nii.gz"', 'ct = "ct.nii.gz"\nthreshold_hu = 2900'),
        "No cement was found",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_clear_error(name: str, cement: Run, phantom_on_disk: OnDisk, capsys) -> None:
    """Exit status 2, one error that names what was wrong, nothing written."""
    text, said = WRONG[name]
    assert cement(text) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("Error: ") == 1
    assert "Traceback" not in captured.err
    assert not out(phantom_on_disk).exists()


def test_an_empty_mask_and_one_of_another_patient_are_refused(cement: Run, phantom_on_disk: OnDisk, capsys) -> None:
    edit(phantom_on_disk, lambda image: image.__class__(0 * np.asarray(image.dataobj), image.affine), "lesion")
    assert cement(MEASURED) == 2
    assert "Error: " in capsys.readouterr().err
    assert not out(phantom_on_disk).exists()


def test_a_file_in_the_way_is_not_lost(cement: Run, phantom_on_disk: OnDisk, capsys) -> None:
    out(phantom_on_disk).write_text("mine")
    assert cement(MEASURED) == 2
    assert "Error: " in capsys.readouterr().err
    assert out(phantom_on_disk).read_text() == "mine"


def cropped(image: nib.Nifti1Image, first: tuple[int, int, int], last: tuple[int, int, int]) -> nib.Nifti1Image:
    affine = image.affine.copy()
    affine[:3, 3] = (image.affine @ [*first, 1])[:3]
    part = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    return nib.Nifti1Image(np.asarray(image.dataobj)[part], affine)


def test_a_vertebra_cut_by_the_edge_is_no_clearance(cement: Run, phantom_on_disk: OnDisk) -> None:
    edit(phantom_on_disk, lambda image: cropped(image, (0, 0, 0), (54, 62, 22)), "ct", "labels", "lesion")
    assert cement(MEASURED) == 0
    found = document(phantom_on_disk)
    assert found.status == "not assessed"
    assert any("cut by the edge of the image" in note for note in found.targets[0].notes)


def test_metal_beside_the_vertebra_is_no_clearance(cement: Run, phantom_on_disk: OnDisk) -> None:
    def screw(image: nib.Nifti1Image) -> nib.Nifti1Image:
        data = np.asarray(image.dataobj).copy()
        i, j, k = np.rint(np.linalg.inv(image.affine) @ [14, 10, 0, 1])[:3].astype(int)
        data[i : i + 3, j : j + 3, k : k + 3] = 3000
        return nib.Nifti1Image(data, image.affine)

    edit(phantom_on_disk, screw, "ct")
    assert cement(MEASURED) == 0
    found = document(phantom_on_disk)
    assert found.status == "not assessed"
    assert any("Metal lies in or beside the vertebra" in note for note in found.targets[0].notes)


def voxels(patient: OnDisk, first_mm: tuple[float, float, float], last_mm: tuple[float, float, float]) -> np.ndarray:
    """Of the patient's images: those within a box in RAS mm."""
    image = nib.load(patient.folder / "ct.nii.gz")
    index = np.stack(np.indices(image.shape), axis=-1)
    points = index @ image.affine[:3, :3].T + image.affine[:3, 3]
    return np.asarray(((points >= first_mm) & (points <= last_mm)).all(axis=-1))


def test_cement_seen_in_the_canal_stops_wherever_it_came_through(cement: Run, phantom_on_disk: OnDisk, capsys) -> None:
    """Behind the middle of the body, where the modelled basivertebral vein leaves it."""
    labels = np.asarray(nib.load(phantom_on_disk.folder / "labels.nii.gz").dataobj)
    behind = voxels(phantom_on_disk, (-4.0, -60.0, -5.0), (4.0, 0.0, 5.0)) & np.isin(labels, (40, 41, 42, 43))
    front = np.flatnonzero(behind.any(axis=(0, 2)))[-1]
    behind[:, :front] = False
    assert behind.any()

    image = nib.load(phantom_on_disk.folder / "lesion.nii.gz")
    leak = ((np.asarray(image.dataobj) > 0) | behind).astype(np.uint8)
    nib.save(nib.Nifti1Image(leak, image.affine), phantom_on_disk.folder / "leak.nii.gz")
    case = MEASURED.replace("lesion.nii.gz", "leak.nii.gz")
    assert cement(case) == 3
    (row,) = document(phantom_on_disk).targets
    seen = {site.site: site.probability.estimate for site in row.sites}
    assert seen["canal"] == 1.0
    assert row.status == "stop"
    assert next(site for site in row.sites if site.site == "canal").distance_mm == 0.0


def test_a_canal_that_is_labelled_in_part_is_no_clearance(cement: Run, phantom_on_disk: OnDisk) -> None:
    above = voxels(phantom_on_disk, (-500.0, -500.0, -6.0), (500.0, 500.0, 500.0))

    def cut(image: nib.Nifti1Image) -> nib.Nifti1Image:
        data = np.asarray(image.dataobj).copy()
        data[above & np.isin(data, (40, 41, 42, 43))] = 0
        return nib.Nifti1Image(data, image.affine)

    edit(phantom_on_disk, cut, "labels")
    assert cement(MEASURED) == 0
    found = document(phantom_on_disk)
    assert found.status == "not assessed"
    assert any("The canal is known beside" in note for note in found.targets[0].notes)


def test_a_given_needle_through_the_canal_stops(cement: Run, phantom_on_disk: OnDisk, capsys) -> None:
    text = PREDICTED.replace("[25, -60, 0]", "[0, -60, 0]").replace("[5, 8, 0]", "[0, 6, 0]")
    assert cement(text) == 3
    (row,) = document(phantom_on_disk).targets
    assert row.needles[0].crosses_nerves
    assert "canal" in row.needles[0].crosses
    assert any("runs through" in note and "canal" in note for note in row.notes)


def test_cement_of_the_next_level_is_not_counted(cement: Run, phantom_on_disk: OnDisk) -> None:
    assert cement(MEASURED) == 0
    alone = document(phantom_on_disk).targets[0].fill
    labels = np.asarray(nib.load(phantom_on_disk.folder / "labels.nii.gz").dataobj)
    below = (labels == 24) & voxels(phantom_on_disk, (-8.0, 0.0, -60.0), (8.0, 14.0, -20.0))
    assert below.sum() > 20
    image = nib.load(phantom_on_disk.folder / "lesion.nii.gz")
    both = ((np.asarray(image.dataobj) > 0) | below).astype(np.uint8)
    nib.save(nib.Nifti1Image(both, image.affine), phantom_on_disk.folder / "both.nii.gz")
    assert cement(MEASURED.replace("lesion.nii.gz", "both.nii.gz")) == 0
    together = document(phantom_on_disk).targets[0].fill
    assert together.injected_ml == pytest.approx(alone.injected_ml, rel=0.02)
    assert together.leaked_ml.value == alone.leaked_ml.value == 0.0


def test_a_plan_survives_cement_that_fails(
    phantom_on_disk: OnDisk, vertherm: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan takes minutes: an error in its cement is told after the plan is written."""
    written: list[object] = []

    def fails(*_: object, **__: object) -> None:
        raise InputError("Several needles need a volume to share.")

    monkeypatch.setattr("vertherm.planning.optimise.run.plan_case", lambda *_, **__: "the plan")
    monkeypatch.setattr("vertherm.planning.cement.with_plan.cement_of_plan", fails)
    monkeypatch.setattr("vertherm.cli.plan.write_plan", lambda plan, *_: written.append(plan))
    assert vertherm("plan", str(phantom_on_disk.case()), "-o", str(out(phantom_on_disk))) == 2
    assert written == ["the plan"]
    said = capsys.readouterr().err
    assert "its cement could not be predicted" in said
    assert "Several needles need a volume" in said


def test_a_scan_without_air_is_marked_uncalibrated(cement: Run, phantom_on_disk: OnDisk, capsys) -> None:
    edit(phantom_on_disk, lambda image: cropped(image, (12, 10, 5), (44, 50, 35)), "ct", "labels", "lesion")
    assert cement(MEASURED) == 0
    found = document(phantom_on_disk)
    assert found.calibration.method == "not calibrated"
    assert any(note.startswith("NOT CALIBRATED") for note in found.notes)
    assert "densities not calibrated" in capsys.readouterr().out
    assert "NOT CALIBRATED" in (out(phantom_on_disk) / "cement.html").read_text("utf-8")


def test_no_way_in_is_said(cement: Run, phantom_on_disk: OnDisk, capsys) -> None:
    """No needle given and no path admissible: the refusals are named, and what to do."""
    text = "[cement]\nsamples = 10\n[access]\ninstrument_length_mm = 60.0\ncandidates = 20000\n"
    assert cement(text) == 2
    said = capsys.readouterr().err
    assert "No needle path reaches the lesion, so no cement does." in said
    assert "[[cement.needles]]" in said
    assert not out(phantom_on_disk).exists()
