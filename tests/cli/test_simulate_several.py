"""Two antennas from the case file to the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import OnDisk

Command = Callable[..., int]
SECOND = """[[applicators]]
name = "upper"
model = "monopole_915"
frequency_mhz = 915
entry = [25, -60, 14]
tip = [5, 8, 14]
frame = "RAS"
[schedule]"""


def test_two_antennas_end_to_end(
    phantom_on_disk: OnDisk, vertherm: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """2450 and 915 MHz together, then 915 MHz alone: both in table and report, energy of both in the rows."""
    path = phantom_on_disk.case("[schedule]", SECOND)
    text = path.read_text().replace("power_w = 15.0\ntime_s = 20", "power_w = [4.0, 5.0]\ntime_s = 20")
    path.write_text(text + '[[schedule.activations]]\napplicators = ["upper"]\npower_w = 6.0\ntime_s = 10\n')
    out = tmp_path / "out"
    assert vertherm("simulate", path, "-o", out, "--json", "--workers", 1) in (0, 3)
    treatment = json.loads(capsys.readouterr().out)["treatment"]
    assert [row["name"] for row in treatment["applicators"]] == ["antenna 1", "upper"]
    assert [row["frequency_mhz"] for row in treatment["applicators"]] == [2450.0, 915.0]
    assert treatment["applicators"][1]["tip_ras_mm"] == [5.0, 8.0, 14.0]
    assert [row["applicators"] for row in treatment["activations"]] == [["antenna 1", "upper"], ["upper"]]
    assert treatment["power"][0]["forward_kj"] == pytest.approx((9.0 * 20 + 6.0 * 10) / 1000.0)
    report = (out / "report.html").read_text("utf-8")
    assert "summed over the antennas" in report
    assert "upper" in report


def test_two_antennas_at_one_place_are_refused(
    phantom_on_disk: OnDisk, vertherm: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = phantom_on_disk.case("[schedule]", SECOND.replace("14]", "0]"))
    assert vertherm("simulate", path, "-o", tmp_path / "out", "--workers", 1) == 2
    assert "touch or cross" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
