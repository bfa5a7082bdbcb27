"""``vertherm registry record-followup`` and ``devices``: from verify.json to records and to the record of a device."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.registry.sample import sample, store
from tests.registry.verification_document import document
from tests.servers.fixtures import (  # noqa: F401
    database,
    dialect,
    own_key,
    registry_templates,
)
from vertherm.registry.database import Registry

Command = Callable[..., int]


@pytest.fixture
def verified(database: str, tmp_path: Path) -> tuple[str, ...]:  # noqa: F811
    """A registry with patients and the options that every call needs."""
    with Registry.open(database) as registry:
        store(registry, sample(2))
    path = tmp_path / "verify.json"
    path.write_text(json.dumps(document()), "utf-8")
    return ("record-followup", str(path), "--patient", "P000", "--confirmed-by", "A. Reader", "--db", database)


def test_a_confirmed_follow_up_is_recorded_once(
    vertherm: Command, verified: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = verified[-2:]
    stated = ("--lesion", "target=1", "--response", "24 h:target=mda,sd,no", "--response", "week 12:target=mda,,ne")
    assert vertherm("registry", *verified, *stated) == 0
    said = capsys.readouterr().out
    assert "24 h: examination 2\nweek 12: examination 3\n" in said
    assert "treated_zone: 1 new, 0 changed, 0 as before" in said
    assert vertherm("registry", *verified, *stated) == 0
    assert "treated_zone: 0 new, 0 changed, 1 as before" in capsys.readouterr().out
    assert vertherm("registry", "check", *db) == 0
    for name in ("devices.csv", "devices.json"):
        assert vertherm("registry", "devices", "-o", tmp_path / name, *db) == 0
    said = capsys.readouterr().out
    assert "s1 (SYNTHETIC): Antenna at 2450 MHz" in said
    assert "NOT calibrated" in said
    rows = json.loads((tmp_path / "devices.json").read_text())["rows"]
    assert {row["metric"] for row in rows} == {"isotherm_60", "cem43_240"}
    assert len((tmp_path / "devices.csv").read_text().splitlines()) == 1 + len(rows)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--lesion", "target"), "NAME=NUMBER"),
        (("--lesion", "target=1", "--lesion", "target=2"), "given twice"),
        (("--lesion", "target=1", "--response", "24 h=mda,sd,no"), "EXAMINATION:TARGET"),
        (("--lesion", "target=1", "--response", "24 h:target=mda,sd"), "EXAMINATION:TARGET"),
        (("--lesion", "target=1", "--response", "24 h:target=mda,better,no"), "one of cr, pr"),
        (("--lesion", "target=2"), "another level"),
    ],
)
def test_options_that_do_not_fit(
    vertherm: Command,
    verified: tuple[str, ...],
    options: tuple[str, ...],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert vertherm("registry", *verified, *options) == 2
    assert told in capsys.readouterr().err


def test_files_that_are_no_verification(
    vertherm: Command, verified: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(verified[1])
    for text in ("", "[1]", "{}", '{"a": NaN}', "{" * 5000):
        path.write_text(text, "utf-8")
        assert vertherm("registry", *verified, "--lesion", "target=1") == 2
        assert "verification" in capsys.readouterr().err
    assert vertherm("registry", "devices", "-o", path.with_suffix(".xlsx"), *verified[-2:]) == 2
