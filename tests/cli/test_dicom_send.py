"""``vertherm dicom send``, ``find``, ``get``, ``echo`` against a real archive."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest
import typer
from pydicom.uid import generate_uid

from tests.imaging.dicom_maker import phantom_hu, series
from tests.servers import orthanc as servers
from vertherm.cli import dicom_send
from vertherm.cli.dicom_options import app
from vertherm.core.errors import VerthermError

server = servers.orthanc
NAME = "Éxample^Ännie"


def run(*arguments: object) -> int:
    """Exit status, as the main command makes it."""
    try:
        status = app([str(argument) for argument in arguments], standalone_mode=False)
    except VerthermError as error:
        typer.echo(f"Error: {error}", err=True)
        return error.exit_code
    return status if isinstance(status, int) else 0


@pytest.fixture
def config(server: servers.Orthanc, tmp_path: Path) -> Path:
    path = tmp_path / "archives.toml"
    path.write_text(
        f'[[archives]]\nname = "web"\nkind = "dicomweb"\nurl = "{server.url}"\n'
        f'[[archives]]\nname = "classic"\nkind = "dimse"\nhost = "127.0.0.1"\nport = {server.dicom}\n'
        'called_ae = "ORTHANC"\n'
    )
    return path


@pytest.mark.parametrize("name", ["web", "classic"])
def test_send_find_get(
    name: str, config: Path, server: servers.Orthanc, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dicom_send.REFUSED == 2
    study, number, folder = generate_uid(), generate_uid()[-12:], tmp_path / "ct"
    given = {"StudyInstanceUID": study, "PatientID": number, "PatientName": NAME, "SpecificCharacterSet": "ISO_IR 192"}
    uid = series(folder, phantom_hu(3), **given)
    to = server.url if name == "web" else name
    assert run("echo", to, "--config", config) == 0
    assert "answered" in capsys.readouterr().out

    assert run("send", folder, "--to", to, "--config", config, "--dry-run") == 0
    assert "3 would be stored" in capsys.readouterr().out
    assert run("send", folder, "--to", to, "--config", config, "--json") == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["counts"]["stored"] == 3
    assert "xample" not in said.out + said.err
    assert run("send", folder, "--to", to, "--config", config) == 0
    said = capsys.readouterr()
    assert "3 already there" in said.out
    assert "xample" not in said.out + said.err

    assert run("find", "--from", to, "--config", config, "--patient", "Éx*", "--patient-id", number) == 0
    out = capsys.readouterr().out
    assert NAME in out
    assert study in out
    assert uid in out
    assert run("find", "--from", to, "--config", config, "--patient-id", number, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["studies"]
    assert (found["patient_name"], found["series"][0]["instances"]) == (NAME, 3)

    back = tmp_path / "back"
    assert run("get", "--from", to, "--config", config, "--study", study, "--series", uid, "-o", back, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["files"]) == 3
    assert len(list(back.iterdir())) == 3
    assert run("get", "--from", to, "--config", config, "--study", study, "--series", uid, "-o", back) == 2
    assert "not empty" in capsys.readouterr().err

    first = sorted(folder.iterdir())[0]
    data = pydicom.dcmread(first)
    data.StudyDescription = "other"
    data.save_as(first)
    assert run("send", first, "--to", to, "--config", config) == 2
    assert "REFUSED" in capsys.readouterr().out


def test_what_is_wrong_gives_one_message_and_its_status(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        (["find", "--from", "web"], 2, "Say what to find"),
        (["find", "--from", "nowhere", "--patient-id", "1"], 2, "web, classic"),
        (["send", str(tmp_path / "none"), "--to", "web"], 2, "nothing here"),
        (["get", "--from", "web", "--study", "1.2", "--series", "1.3", "-o", str(tmp_path / "x")], 1, "does not hold"),
        (["get", "--from", "web", "--study", "x", "--series", "1.3", "-o", str(tmp_path / "x")], 2, "StudyInstanceUID"),
    ]
    for arguments, status, words in cases:
        assert run(*arguments, "--config", config) == status
        said = capsys.readouterr()
        assert words in said.err
        assert said.out == ""
    assert not (tmp_path / "x").exists()


def test_a_file_that_cannot_be_sent_gives_status_1(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.dcm").write_text("no DICOM")
    assert run("send", tmp_path / "text.dcm", "--to", "web", "--config", config) == 1
    assert "FAILED" in capsys.readouterr().out


def test_nobody_passes_a_secret_on_the_command_line() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name in ("send", "find", "get", "echo"):
        options = {text for parameter in commands[name].params for text in parameter.opts}
        assert not any(word in option for option in options for word in ("token", "password", "secret"))
