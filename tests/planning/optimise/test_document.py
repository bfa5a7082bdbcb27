"""The case file of a plan: read back it gives the same needles (bit for bit), powers and times, and the same case."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.planning.optimise.problems import entry_for, problem_for
from vertherm import RESEARCH_NOTICE
from vertherm.planning.case import Images, LabelFile, ProtectionEntry, SkinCoolingEntry, Thermocouple, load_case
from vertherm.planning.optimise.document import case_with_treatment, toml
from vertherm.planning.plan import ActivationRow, PlacedRow, Plan
from vertherm.planning.prepare import treatment_of

ENTRY, TIP = (25.123456789012345, -60.0, 1 / 3), (5.0, 8.1, -0.1)


def plan(status: str = "provisional") -> Plan:
    placed = [
        PlacedRow(
            name=f"tosoratti_mini_choke on P1{back}",
            target="target",
            path="P1",
            antenna="tosoratti_mini_choke",
            frequency_mhz=2450.0,
            entry_ras_mm=ENTRY,
            tip_ras_mm=tip,
        )
        for back, tip in (("", TIP), (", drawn back 5 mm", (6.0, 4.0, 0.0)))
    ]
    rows = [
        ActivationRow(antenna=placed[0].name, power_w=31.0, time_s=125.0, pause_s=20.0),
        ActivationRow(antenna=placed[1].name, power_w=22.0, time_s=60.0, pull_back_mm=5.0),
    ]
    numerics = problem_for().numerics.model_copy(update={"ensemble": 59, "fidelity": "full-wave"})
    return Plan(
        case="phantom",
        title="t",
        notice=RESEARCH_NOTICE,
        synthetic=True,
        status=status,  # type: ignore[arg-type]
        status_words="",
        goal=problem_for().goal.row(0),
        access=[],
        applicators=placed,
        activations=rows,
        power_kind="net",
        provenance={"parameters": {"numerics": numerics.model_dump()}},
    )


def test_round_trip(tmp_path: Path) -> None:
    entry = entry_for(power_w=(12, 40)).model_copy(
        update={
            "title": 'a "quoted" name, with ü and \\ and a\ttab',
            "images": Images(ct=tmp_path / "ct dir", labels=(LabelFile(path=Path("../seg.nii.gz"), vocabulary="v2"),)),
            "protection": ProtectionEntry(
                thermocouples=(Thermocouple(name="foramen", position=(1.5, 2.0, 3.0)),),
                skin_cooling=(SkinCoolingEntry(temperature_c=12.0),),
            ),
        }
    )
    path = tmp_path / "plan_case.toml"
    path.write_text(case_with_treatment(entry, plan()), "utf-8")
    read = load_case(path)
    treatment = treatment_of(read)
    assert treatment.power_kind == "net"
    assert np.array_equal(treatment.trajectory.entry_mm, ENTRY)
    assert np.array_equal(treatment.trajectory.tip_mm, TIP)
    assert [p.name for p in treatment.applicators] == [row.name for row in plan().applicators]
    fired = [(a.emitters[0], a.limit_w, a.duration_s, a.pause_s) for a in treatment.schedule.activations]
    assert fired == [(r.antenna, r.power_w, r.time_s, r.pause_s) for r in plan().activations]
    assert read.title == entry.title
    assert read.images.ct == tmp_path / "ct dir", "absolute paths stay"
    assert read.images.labels[0].path == tmp_path / "../seg.nii.gz", "relative ones count from the file"
    assert read.plan == entry.plan
    assert read.targets == entry.targets
    assert read.protection == entry.protection
    assert read.numerics.ensemble == 59
    assert read.numerics.fidelity == "full-wave"


def test_no_treatment_no_case_file() -> None:
    empty = plan("no safe plan").model_copy(update={"applicators": [], "activations": []})
    with pytest.raises(ValueError, match="no treatment"):
        case_with_treatment(entry_for(), empty)


def test_toml_of_plain_data() -> None:
    data = {
        "a": 1,
        "b": 'x"y\\z\n',
        "none": None,
        "t": {"k": [1.5, 2.0], "inner": {"d e": True, "n": None}, "rows": [{"p": "q"}]},
        "list": [{"x": 1e-7, "y": False}, {"x": 3.0, "y": True}],
        "empty": [],
    }
    back = tomllib.loads(toml(data))
    assert back == {
        "a": 1,
        "b": 'x"y\\z\n',
        "empty": [],
        "t": {"k": [1.5, 2.0], "inner": {"d e": True}, "rows": [{"p": "q"}]},
        "list": [{"x": 1e-7, "y": False}, {"x": 3.0, "y": True}],
    }
