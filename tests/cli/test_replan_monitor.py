"""``vertherm replan`` and ``vertherm monitor`` as a user meets them: exit statuses, one JSON document, clear refusals.

The heat is that of the closed-form surrogate: the commands, the state on disk and the documents are real.
"""

from __future__ import annotations

import html
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.planning.fake_surrogate import FakeSurrogate
from tests.planning.planned_phantom import (
    ENTRY_MM,
    ROOT,
    SENSOR,
    TIP_MM,
    Result,
    coverage_row,
    entry,
    limit_row,
    phantom,
    plan_document,
    surrogate,
    treatment,
)
from vertherm.cli.main import app, run
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Volume
from vertherm.imaging.nifti import write_nifti
from vertherm.planning.monitor.advice import Advice
from vertherm.planning.monitor.delivered import planned, rises
from vertherm.planning.protocol import default_protocol
from vertherm.planning.replan import replan as module
from vertherm.planning.replan.rows import ReplanDocument
from vertherm.planning.state import state as states

_phantom = cache(phantom)
pytestmark = pytest.mark.skipif(
    not {"replan", "monitor"} <= {command.name for command in app.registered_commands}, reason="not registered yet"
)
SAME = f"antenna 1:entry={','.join(map(str, ENTRY_MM))}:tip={','.join(map(str, TIP_MM))}"


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plan's folder on disk, with closed-form heat, also where the needle really lies."""
    case = _phantom()
    document = plan_document(limits=[limit_row(ROOT, 42.0)], coverage=[coverage_row(1.0)])
    result = Result(document, treatment(case), {"arm": surrogate()})
    states.save_state(tmp_path / "plan" / "state", case, default_protocol(), entry(), result)
    monkeypatch.setattr(states, "_surrogate_reader", lambda: FakeSurrogate.load)
    monkeypatch.setattr(module, "moved_model", lambda *a, **k: surrogate())
    monkeypatch.setattr(module, "planned_model", lambda *a, **k: surrogate())
    return tmp_path / "plan"


def readings(path: Path, scale: float, until_s: float = 120.0) -> Path:
    times = np.arange(0.0, until_s + 1, 5.0)
    rise = rises(surrogate(), planned(treatment(_phantom())), times)[f"thermocouple {SENSOR}"][0]
    rows = [f"{t:g},{SENSOR},{37 + scale * r:.2f}" for t, r in zip(times, rise, strict=True)]
    path.write_text("time_s,name,temperature_c\n" + "\n".join(rows) + "\n")
    return path


def test_replan_at_the_planned_place(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replan", str(plan), "--needle", SAME, "-o", str(tmp_path / "out"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "replan.json").read_text("utf-8"))
    page = (tmp_path / "out" / "replan.html").read_text("utf-8")
    assert printed["words"] in html.unescape(page)
    assert "://" not in page
    document = ReplanDocument.model_validate(printed)
    assert document.recommendation == "keep the dose"
    assert document.comparison.startswith("No difference")
    assert {check.rule for check in document.checks}, "the rules of access were applied to the needle"


def test_replan_from_the_mask_of_a_check_scan(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The mask shows the needle 4 mm deeper: found within a voxel (2 mm)."""
    planned_needle = Trajectory(np.array(ENTRY_MM), np.array(TIP_MM))
    real = Trajectory(planned_needle.entry_mm, planned_needle.point_mm(-4.0))
    grid = _phantom().anatomy.ct.grid
    r, z = real.cylindrical_mm(grid.centres())
    mask = (r <= 1.8) & (z >= 0) & (z <= real.length_mm)
    write_nifti(Volume(mask.astype(np.uint8), grid), tmp_path / "needle.nii.gz")
    run(["replan", str(plan), "--mask", str(tmp_path / "needle.nii.gz"), "-o", str(tmp_path / "out"), "--json"])
    document = ReplanDocument.model_validate(json.loads(capsys.readouterr().out))
    assert document.needles[0].moved_mm == pytest.approx(4.0, abs=1.5)
    assert "deeper" in document.needles[0].words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one way"),
        (["--needle", "antenna 9:entry=1,2,3:tip=9,9,90"], "no needle of this name"),
        (["--needle", "antenna 1:entry=0,-80,0:tip=0,8,0"], "spinal canal"),
        (["--needle", "antenna 1:tip=0,8,0"], "entry"),
        (["--needles", "missing.toml"], "does not exist"),
        (["--needle", "antenna 1:entry=25,-60,0:tip=5,8,900"], "outside the image"),
    ],
)
def test_replan_refuses(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["replan", str(plan), *arguments, "-o", str(tmp_path / "out")]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out").exists()


def test_a_replanned_treatment_can_be_watched_and_replanned(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `replan` leaves is a planned case: its needle, its dose and its numbers, in the form that `plan` writes."""
    real = Trajectory(np.array(ENTRY_MM), np.array(TIP_MM) + np.array([0.5, -1.0, 1.0]))
    needle = f"antenna 1:entry={','.join(map(str, ENTRY_MM))}:tip={','.join(map(str, real.tip_mm))}"
    out = tmp_path / "real"
    assert run(["replan", str(plan), "--needle", needle, "-o", str(out), "--json"]) == 0
    document = ReplanDocument.model_validate(json.loads(capsys.readouterr().out))
    found = states.load_state(out)
    assert np.allclose(found.treatment.trajectory.tip_mm, real.tip_mm)
    assert found.plan.applicators[0].tip_ras_mm == pytest.approx(tuple(real.tip_mm))
    root = next(row for row in found.plan.limits if row.name == ROOT)
    assert root.peak_c == pytest.approx(next(row for row in document.structures if row.name == ROOT).same_c)
    assert run(["monitor", str(out), str(readings(tmp_path / "a.csv", 1.0)), "--json"]) == 0
    advice = Advice.model_validate(json.loads(capsys.readouterr().out))
    assert any("as re-planned" in note for note in advice.notes)
    continued = next(row for row in advice.structures if row.name == ROOT).if_continued_c
    assert root.peak_c - 1.0 < continued < 45.0
    assert run(["replan", str(out), "--needle", SAME, "-o", str(tmp_path / "again")]) == 0


def test_no_safe_dose_leaves_no_state(plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier re-plan's state goes, too; and a re-plan never lands on the plan it comes from."""
    out = tmp_path / "real"
    assert run(["replan", str(plan), "--needle", SAME, "-o", str(out)]) == 0
    assert (out / "state").is_dir()
    monkeypatch.setattr(module, "moved_model", lambda *a, **k: surrogate(root_k_per_w=30.0))
    assert run(["replan", str(plan), "--needle", SAME, "-o", str(out)]) == 3
    assert not (out / "state").exists()
    assert run(["replan", str(plan), "--needle", SAME, "-o", str(plan)]) == 2
    assert (plan / "state" / "manifest.json").is_file()
    assert not (plan / "replan.json").exists()


def test_monitor_goes_on_and_stops(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As predicted: exit 0. Twice as hot: exit 3, and the advice is in the file as on stdout."""
    cold, hot = readings(tmp_path / "a.csv", 1.0), readings(tmp_path / "b.csv", 2.2)
    assert run(["monitor", str(plan), str(cold)]) == 0
    assert "CONTINUE" in capsys.readouterr().out
    assert run(["monitor", str(plan), str(hot), "-o", str(tmp_path / "out"), "--json"]) == 3
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "advice.json").read_text("utf-8"))
    assert Advice.model_validate(printed).action != "continue"


def test_monitor_refuses(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.csv"
    for text, message in (
        ("time_s,name,temperature_f\n0,a,98\n", "not in °C"),
        ("time,name,temperature_c\n0,a,37\n", "unit belongs to the header"),
        ("time_s,a\n0,37\n5,38\n4,39\n6,40\n", "do not increase"),
        ("time_s,a\n0,37\n5,380\n", "unusable"),
        ("time_s,a\n0,37\n5,38\n", "too few"),
        ("time_s,a\n", "empty"),
        ("time_s,a\n0,37\n5,38\n10,39\n", "does not have"),
    ):
        path.write_text(text)
        assert run(["monitor", str(plan), str(path)]) == 2
        assert message in capsys.readouterr().err
    assert run(["monitor", str(tmp_path / "nothing"), str(readings(path, 1.0))]) == 2
    assert "no planned case" in capsys.readouterr().err


def test_wide_tables_with_decimal_commas(plan: Path, tmp_path: Path) -> None:
    """Semicolons and decimal commas, time in minutes, an empty cell: read as the same treatment."""
    long = readings(tmp_path / "a.csv", 1.0)
    lines = [f"time_min;{SENSOR}"]
    for row in long.read_text().splitlines()[1:]:
        time_s, _, value = row.split(",")
        lines.append(f"{float(time_s) / 60:.6f};{value}".replace(".", ","))
    lines.insert(3, "0,1;")
    (tmp_path / "w.csv").write_text("\n".join(lines))
    assert run(["monitor", str(plan), str(tmp_path / "w.csv"), "--now", "100"]) == 0
    (tmp_path / "p.csv").write_text("time_s,power_w\n0,30\n50,0\n")
    assert run(["monitor", str(plan), str(long), "--power-log", str(tmp_path / "p.csv")]) in (0, 3)
