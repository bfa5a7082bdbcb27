"""Limits, protocol and case file: what is accepted and what is refused, with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from vertherm.core.errors import InputError
from vertherm.planning.case import load_case
from vertherm.planning.limits import judge, worst
from vertherm.planning.protocol import Protocol, default_protocol, load_protocol

CASE = """
[images]
ct = "ct.nii.gz"
[[images.labels]]
path = "labels.nii.gz"
vocabulary = "vertherm"
[[targets]]
level = "L3"
level_confirmed = true
kind = "lytic"
mask = "lesion.nii.gz"
[[applicators]]
model = "coaxial_slot"
entry = [0, -80, 0]
tip = [0, 0, 0]
frame = "RAS"
[schedule]
power_kind = "forward"
[[schedule.activations]]
power_w = 10.0
time_s = 60
"""


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "case.toml"
    path.write_text(text)
    return path


def test_design_limits() -> None:
    """The table of the safety defaults, row by row."""
    protocol = default_protocol()
    for kind in ("cord", "cauda", "dural sac", "canal"):
        limit = protocol.limit_for(kind)
        assert limit is not None
        assert (limit.warn_c, limit.warn_cem43_min, limit.stop_c, limit.stop_cem43_min) == (43, 2, 45, 10)
    for kind in ("root", "plexus", "skin"):
        limit = protocol.limit_for(kind)
        assert limit is not None
        assert (limit.warn_c, limit.warn_cem43_min, limit.stop_c, limit.stop_cem43_min) == (43, 5, 45, 10)
    for kind in ("bowel", "pleura", "ureter", "vessel", "oesophagus", "trachea", "rectum"):
        limit = protocol.limit_for(kind)
        assert limit is not None
        assert (limit.warn_c, limit.stop_c, limit.stop_cem43_min) == (43, 45, None)


def test_every_default_names_its_source() -> None:
    protocol = default_protocol()
    assert all(len(item.source) > 5 for item in (*protocol.limits, *protocol.metrics))


@pytest.mark.parametrize(
    ("peak", "dose", "status"),
    [(42.99, 1.9, "green"), (43.0, 0.0, "warn"), (42.0, 2.0, "warn"), (45.0, 0.0, "stop"), (42.0, 10.0, "stop")],
)
def test_judgement_at_the_edges(peak: float, dose: float, status: str) -> None:
    limit = default_protocol().limit_for("cord")
    assert limit is not None
    assert judge(peak, dose, limit) == status


@pytest.mark.parametrize(("lowest", "status"), [(15.1, "green"), (15.0, "warn"), (10.0, "stop")])
def test_cooling_has_limits_too(lowest: float, status: str) -> None:
    limit = default_protocol().limit_for("root")
    assert limit is not None
    assert judge(37.0, 0.0, limit, lowest) == status


def test_unknown_is_worse_than_warning_and_better_than_stop() -> None:
    assert worst(["green", "warn", "not assessed"]) == "not assessed"
    assert worst(["not assessed", "stop"]) == "stop"
    assert worst([]) == "green"


def test_protocol_file_round_trip_and_refusals(tmp_path: Path) -> None:
    from importlib import resources

    text = (resources.files("vertherm.planning") / "data" / "default_protocol.toml").read_text("utf-8")
    path = tmp_path / "protocol.toml"
    path.write_text(text, "utf-8")
    assert load_protocol(path) == default_protocol()
    path.write_text(text.replace('"cord", "cauda"', '"chord"'), "utf-8")
    with pytest.raises(InputError, match="unknown kinds"):
        load_protocol(path)
    path.write_text(text.replace("warn_c = 43.0", "warn_c = 46.0", 1), "utf-8")
    with pytest.raises(InputError, match="above its stop limit"):
        load_protocol(path)
    assert isinstance(default_protocol(), Protocol)


def test_case_file_paths_are_seen_from_its_folder(tmp_path: Path) -> None:
    case = load_case(_write(tmp_path, CASE))
    assert case.images.ct == tmp_path.resolve() / "ct.nii.gz"
    assert case.case == "case"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("power_w = 10.0", "power_w = -10.0", "activations\\[1\\].power_w"),
        ("level_confirmed = true", "level_confirmed = false", "confirmed by a person"),
        ('level = "L3"', 'level = "L9"', "not a vertebra"),
        ('frame = "RAS"', "", "frame"),
        ("time_s = 60", "time_s = 0", "time_s"),
        ('kind = "lytic"', 'kind = "soft"', "kind"),
        ("[schedule]", "[schedule]\ntypo = 1", "typo"),
        ("power_w = 10.0", "power_w = 10.0\nset_temperature_c = 80", "exactly one of"),
        ('mask = "lesion.nii.gz"', "", "exactly one of mask and synthetic"),
        ("tip = [0, 0, 0]", "tip = [0, 0, nan]", "tip"),
        ("[images]", "[images", "not valid TOML"),
    ],
)
def test_wrong_case_files_name_the_entry(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_case(_write(tmp_path, CASE.replace(old, new, 1)))
    assert caught.value.exit_code == 2


def test_missing_and_unreadable_case_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_case(tmp_path / "none.toml")
    with pytest.raises(InputError, match="is a folder"):
        load_case(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        load_case(binary)
