"""``vertherm dicom deidentify``: exit status, what is printed where, and where the key may lie."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pydicom
import pytest
import typer

from tests.imaging.deidentify.samples import KEY, all_bytes, ct, holds, save
from vertherm.cli import dicom_deidentify
from vertherm.cli.dicom_options import app
from vertherm.core.errors import VerthermError
from vertherm.registry.exporting.deidentify import Deidentifier


def run(*arguments: object) -> int:
    """Exit status, as the main command makes it."""
    try:
        status = app(["deidentify", *(str(argument) for argument in arguments)], standalone_mode=False)
    except VerthermError as error:
        typer.echo(f"Error: {error}", err=True)
        return error.exit_code
    return status if isinstance(status, int) else 0


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "safe" / "key"
    path.parent.mkdir()
    path.write_text(KEY.hex() + "\n")
    return path


def test_new_key_then_the_same_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key is made when told, private, never replaced, never printed, and gives the same result again."""
    source, key = save(tmp_path / "in", ct()), tmp_path / "key"
    assert run(source, "-o", tmp_path / "a", "--key", key) == 2
    assert "--new-key" in capsys.readouterr().err
    assert run(source, "-o", tmp_path / "a", "--key", key, "--new-key") == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert run(source, "-o", tmp_path / "b", "--key", key, "--new-key") == 2
    assert run(source, "-o", tmp_path / "b", "--key", key) == 0
    said = "".join(capsys.readouterr())
    assert "1 object(s) of 1 patient(s)" in said
    assert key.read_text().strip() not in said
    assert all_bytes(tmp_path / "a") == all_bytes(tmp_path / "b")
    assert not holds(all_bytes(tmp_path / "a"), key.read_text().strip())


def test_json_is_the_report(tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document on stdout, without paths; the refused file is named on stderr; exit status 2."""
    source = save(tmp_path / "Vandermolen", ct(), ct(Modality="OT"))
    assert run(source, "-o", tmp_path / "out", "--key", key, "--json") == dicom_deidentify.REFUSED == 2
    said = capsys.readouterr()
    assert json.loads(said.out) == json.loads((tmp_path / "out" / "deidentified.json").read_text())
    assert "Vandermolen" not in said.out
    assert "im001.dcm" in said.err
    assert "--accept burnt-in" in said.err


def test_options(tmp_path: Path, key: Path) -> None:
    """Dates kept, patient and device retained, descriptors removed, an accepted kind."""
    given = ct(Modality="OT", DeviceSerialNumber="SN5", SeriesDescription="spine")
    source = save(tmp_path / "in", given)
    options = [
        "--dates",
        "keep",
        "--retain",
        "patient",
        "--retain",
        "device",
        "--no-descriptors",
        "--accept",
        "burnt-in",
    ]
    assert run(source, "-o", tmp_path / "out", "--key", key, *options) == 0
    (path,) = (tmp_path / "out").rglob("*.dcm")
    found = pydicom.dcmread(path)
    assert (found.StudyDate, found.PatientSex, found.DeviceSerialNumber) == ("20190704", "F", "SN5")
    assert "SeriesDescription" not in found


def test_key_of_the_registry_gives_its_pseudonym(tmp_path: Path, key: Path) -> None:
    """With a table of patients the pseudonym is the one of the registry's de-identified export."""
    patients = tmp_path / "patients.csv"
    patients.write_text("patient_id,patient_key\nHX-4471-99,P017\n")
    source = save(tmp_path / "in", ct())
    assert run(source, "-o", tmp_path / "out", "--key", key, "--patients", patients) == 0
    pseudonym, _ = Deidentifier(KEY, {"P017"}).patient("P017")
    assert (tmp_path / "out" / pseudonym).is_dir()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--dates", "some"], "way to treat dates"),
        (["--retain", "all"], "option that retains"),
        (["--accept", "all"], "kind to accept"),
        (["--key", "out/key", "--new-key"], "key would lie in the output"),
        (["--new-key"], "new key needs a file"),
        ([], "A key is needed"),
        (["--patients", "none.csv", "--key", "safe/key"], "table of patients"),
    ],
)
def test_wrong_input(
    tmp_path: Path,
    key: Path,
    options: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One message, exit status 2, nothing written and no key made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VERTHERM_DEIDENTIFY_KEY", raising=False)
    source = save(tmp_path / "in", ct())
    before = all_bytes(tmp_path)
    assert run(source, "-o", "out", *options) == 2
    assert said in capsys.readouterr().err
    assert all_bytes(tmp_path) == before


def test_key_that_others_can_read(tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The user is told on stderr; the result is the same."""
    source = save(tmp_path / "in", ct())
    key.chmod(0o644)
    assert run(source, "-o", tmp_path / "a", "--key", key) == 0
    assert "others can read the key" in capsys.readouterr().err
    key.chmod(0o600)
    assert run(source, "-o", tmp_path / "b", "--key", key) == 0
    assert "others can read" not in capsys.readouterr().err
    assert all_bytes(tmp_path / "a") == all_bytes(tmp_path / "b")


def test_output_is_checked_before_a_key_is_made(tmp_path: Path) -> None:
    source = save(tmp_path / "in", ct())
    assert run(source, "-o", source / "out", "--key", tmp_path / "key", "--new-key") == 2
    assert not (tmp_path / "key").exists()
