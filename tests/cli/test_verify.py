"""``vertherm verify`` as a user calls it: one message for bad input, nothing half-written, status 3 for not covered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.followup.planned_folder import ball, examination, planned_folder, rigid
from vertherm.cli.main import run
from vertherm.imaging.nifti import read_nifti, write_nifti
from vertherm.imaging.synthetic_followup import Paint

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan, and one examination whose zone of 6 mm is smaller than the lesion of 7 mm."""
    place = tmp_path_factory.mktemp("verify")
    _, case = planned_folder(place / "plan")
    small = ball(case.targets[0].centre_mm, 6.0)
    motion = rigid(case, (2.0, 0.0, 3.0), (5.0, 0.0, -3.0))
    examination(case, place, "day1", motion, [Paint(small, -15.0, enhances=0.0)])
    return place


def call(*words: object) -> int:
    return run(["verify", *(str(word) for word in words)])


def test_a_lesion_that_is_not_covered(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scans = [folder / f"SYNTHETIC_day1{kind}.nii.gz" for kind in ("", "_native")]
    out = tmp_path / "out"
    status = call(folder / "plan", scans[0], "--contrast", "--native", scans[1], "-o", out, "--json")
    document = json.loads(capsys.readouterr().out)
    assert status == 3
    row = document["rows"][0]
    assert row["coverage"] == "not covered"
    assert row["margin"]["high_mm"] < 0.5
    assert row["margin"]["coverage"] < 0.9
    page = (out / "verify.html").read_text("utf-8")
    assert "SYNTHETIC" in page
    assert "RESEARCH ONLY" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert json.loads((out / "verify.json").read_text("utf-8")) == document
    kinds = {f"{part}_{frame}" for part in ("zone", "cement") for frame in ("planning", "followup")}
    kinds |= {"lesion_followup", "margin_followup"}
    named = {kind: f"masks/SYNTHETIC_lesion_follow-up_{kind}.nii.gz" for kind in kinds}
    assert row["files"] == {**named, "registered": "registered/SYNTHETIC_lesion_follow-up.nii.gz"}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.nii.gz")} == set(row["files"].values())


def test_what_a_reader_has_drawn_survives_the_next_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under a name of its own it stays; edited in place it stops the run before anything is replaced."""
    scan, out = folder / "SYNTHETIC_day1_native.nii.gz", tmp_path / "out"
    written = out / "masks" / "SYNTHETIC_lesion_follow-up_zone_followup.nii.gz"
    images = [folder / f"SYNTHETIC_day1{kind}.nii.gz" for kind in ("", "_native")]
    assert call(folder / "plan", images[0], "--contrast", "--native", images[1], "-o", out) == 3
    own = out / "masks" / "zone_edited.nii.gz"
    shutil.copyfile(written, own)
    (out / "masks" / "notes.txt").write_text("mine", "utf-8")
    content = own.read_bytes()
    assert call(folder / "plan", scan, "--zone", own, "-o", out) == 3
    assert own.read_bytes() == content
    assert (out / "masks" / "notes.txt").read_text("utf-8") == "mine"
    inputs = json.loads((out / "verify.json").read_text("utf-8"))["provenance"]["inputs"]
    assert own.name in {row["name"] for row in inputs}
    image = read_nifti(written)
    write_nifti(image.with_data(0 * image.data), written)
    edited, before = written.read_bytes(), (out / "verify.json").read_bytes()
    capsys.readouterr()
    assert call(folder / "plan", scan, "--zone", own, "-o", out) == 2
    assert "has been changed since" in capsys.readouterr().err
    assert (written.read_bytes(), (out / "verify.json").read_bytes()) == (edited, before)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[examinations]]\nname = 'a'\nimage = 'no.nii.gz'\ncontrast = true\n", "There is no CT here"),
        ("[[examinations]]\nname = 'a'\ncontrast = true\n", "examinations[1].image"),
        ("examinations = 3", "wrong"),
        ("[[examinations", "not valid TOML"),
        (
            "[[examinations]]\nname = 'a'\nimage = 'SYNTHETIC_day1.nii.gz'\ncontrast = true\n"
            "[[examinations.targets]]\ntarget = 'another'\n",
            "a lesion that the plan does not have",
        ),
        (
            2 * "[[examinations]]\nname = 'a'\nimage = 'SYNTHETIC_day1.nii.gz'\ncontrast = true\n",
            "two examinations have the same name",
        ),
    ],
)
def test_bad_follow_up_files(
    folder: Path, tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "bad.toml"
    path.write_text(text, "utf-8")
    assert call(folder / "plan", path, "-o", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("Error:") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_plan(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path, folder / "SYNTHETIC_day1.nii.gz", "-o", tmp_path / "out") == 2
    assert "--case" in capsys.readouterr().err
