"""``vertherm sensitivity`` and ``simulate --ensemble`` as a user meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.cli.conftest import OnDisk
from vertherm.cli.sensitivity import Method, sensitivity
from vertherm.core.errors import InputError
from vertherm.planning.assessment import Assessment
from vertherm.planning.sensitivity import Sensitivity

Command = Callable[..., int]
SMALL = "spacing_mm = 3.0\nreach_mm = 30.0\nresolve_every_s = 60.0"


def test_simulate_with_samples(phantom_on_disk: OnDisk, vertherm: Command, tmp_path: Path) -> None:
    """Two samples: percentiles, maps and the list of parameters in every output; 0.5 W for 5 s breaks nothing."""
    path = phantom_on_disk.case("power_w = 15.0\ntime_s = 20", "power_w = 0.5\ntime_s = 5")
    path.write_text(path.read_text().replace("spacing_mm = 3.0", SMALL))
    out = tmp_path / "out"
    assert vertherm("simulate", path, "-o", out, "--workers", 1, "--ensemble", 2) == 0
    assessment = Assessment.model_validate_json((out / "assessment.json").read_text("utf-8"))
    assert assessment.ensemble is not None
    assert (assessment.ensemble.samples, assessment.ensemble.runs) == (2, 5)
    assert len(assessment.ensemble.values) == 2
    assert "Sampled ensemble" in (out / "report.html").read_text("utf-8")
    share = np.asarray(nib.load(out / "fields" / "probability_cem43_240.nii.gz").dataobj)
    assert share.min() >= 0.0
    assert share.max() <= 1.0


def test_sensitivity_writes_page_and_json(
    phantom_on_disk: OnDisk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = phantom_on_disk.case("time_s = 20", "time_s = 60")
    path.write_text(path.read_text().replace("spacing_mm = 3.0", SMALL))
    out = tmp_path / "out"
    arguments = {"samples": 2, "seed": 0, "only": ["power"], "parameters": None, "workers": 1, "dask": None}
    assert sensitivity(path, out, Method.morris, json_out=True, **arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "sensitivity.json").read_text("utf-8"))
    study = Sensitivity.model_validate(printed)
    assert study.outputs[0].effects[0].parameter == "power"
    assert "<svg" not in (out / "sensitivity.html").read_text("utf-8"), "pictures are embedded as images"
    mine = tmp_path / "mine.toml"
    mine.write_text("[[parameter]]\nname = 'power'\nkind = 'uniform'\nlow = -1\nhigh = 1\n")
    with pytest.raises(InputError, match="missing: certainty, nominal, source"):
        sensitivity(path, tmp_path / "no", Method.morris, json_out=False, **{**arguments, "parameters": mine})
    assert not (tmp_path / "no").exists()
