"""The state of a planned case: what is read is what was written, voxel by voxel; anything else is refused.

Arrays bit for bit (whole HU as int16, others as they are, masks as packed bits); an antenna is stored whole, so its
hash is the same. A file that changed by one byte, is missing, or is of another version or origin is an InputError that
says so. Nothing in the state is pickled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.planning.fake_surrogate import FakeSurrogate
from tests.planning.planned_phantom import Result, entry, phantom, plan_document, surrogate, treatment
from tests.planning.test_several import calibration
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.protection import Dissection, Irrigation, Protection, SkinCooling
from vertherm.imaging.anatomy import Anatomy
from vertherm.planning.objects import Case
from vertherm.planning.protocol import default_protocol
from vertherm.planning.state.state import State, load_state, save_state
from vertherm.planning.state.volumes import VolumeStore, read_volumes

_phantom = cache(phantom)


def load(folder: Path) -> State:
    return load_state(folder, read_surrogate=FakeSurrogate.load)  # type: ignore[arg-type]


def saved(folder: Path, case: Case | None = None, **changes: Any) -> Path:
    case = case or _phantom()
    result = Result(plan_document(), replace(treatment(case), **changes), {"arm": surrogate()})
    save_state(folder / "state", case, default_protocol(), entry(), result)
    return folder


def assert_same(one: Volume | None, other: Volume | None) -> None:
    if one is None or other is None:
        assert one is other
        return
    assert one.data.dtype == other.data.dtype
    assert np.array_equal(one.data, other.data)
    assert np.array_equal(one.grid.affine, other.grid.affine)
    assert one.grid.frame == other.grid.frame


def full_case() -> Case:
    """The phantom with what it lacks: metal, no data, an MR, and a CT of broken numbers."""
    case = _phantom()
    ct = case.anatomy.ct
    odd = ct.with_data(ct.data + np.float32(0.25))
    edge = np.zeros(ct.grid.shape, bool)
    edge[0] = True
    anatomy = replace(
        case.anatomy, ct=odd, metal=ct.with_data(~edge & (ct.data > 200)), no_data=ct.with_data(edge), mr=ct
    )
    return replace(case, anatomy=anatomy, seeds={"lesion": 3})


@pytest.mark.parametrize("full", [False, True])
def test_round_trip_is_voxel_identical(tmp_path: Path, full: bool) -> None:
    case = full_case() if full else _phantom()
    found = load(saved(tmp_path, case))
    for field in fields(Anatomy):
        one, other = getattr(case.anatomy, field.name), getattr(found.case.anatomy, field.name)
        if isinstance(one, Volume):
            assert_same(one, other)
        elif field.name in ("vertebrae", "bodies", "lesions"):
            assert list(one) == list(other)
            for key in one:
                assert_same(one[key], other[key])
        elif field.name == "structures":
            for a, b in zip(one, other, strict=True):
                assert_same(a.mask, b.mask)
                assert replace(a, mask=b.mask).__dict__ == b.__dict__
        else:
            assert one == other
    assert_same(case.targets[0].mask, found.case.targets[0].mask)
    assert found.case.targets[0].statement == case.targets[0].statement
    assert found.case.seeds == case.seeds
    assert found.case.targets[0].mask is found.case.anatomy.lesions["target"], "one mask, stored once"


def test_treatment_protocol_and_plan_come_back(tmp_path: Path) -> None:
    case = _phantom()
    region = case.anatomy.structure("psoas left").mask
    protection = Protection(
        (Dissection("gas", "co2", region, "colon"),),
        (Irrigation("foramen", region, 20.0, 18.0, "dextrose"),),
        (SkinCooling("pack", np.array([1.0, -90.0, 3.0]), 40.0, 10.0, 300.0),),
    )
    given = replace(treatment(case), protection=protection)
    found = load(saved(tmp_path, case, protection=protection))
    assert found.treatment.antenna == given.antenna
    assert found.treatment.antenna.key == given.antenna.key
    assert found.treatment.schedule == given.schedule
    assert np.array_equal(found.treatment.trajectory.tip_mm, given.trajectory.tip_mm)
    assert_same(found.treatment.protection.dissections[0].region, region)
    assert replace(found.treatment.protection.irrigations[0], region=region) .__dict__ == \
        protection.irrigations[0].__dict__  # fmt: skip
    assert np.array_equal(found.treatment.protection.skin_cooling[0].centre_mm, [1.0, -90.0, 3.0])
    assert found.protocol == default_protocol()
    assert found.plan == plan_document()
    assert found.surrogates["arm"] == surrogate()


def test_a_calibrated_antenna_comes_back(tmp_path: Path) -> None:
    """The calibration is stored in the state: its file need not be there any more."""
    case = _phantom()
    given = calibration("tosoratti_mini_choke")
    placed = replace(treatment(case).first, calibration=given, phase_deg=12.5)
    found = load(saved(tmp_path, case, applicators=(placed,))).treatment.first
    assert found.calibration == given
    assert found.phase_deg == 12.5


def test_folders_of_the_users_files_are_not_kept(tmp_path: Path) -> None:
    saved(tmp_path)
    for path in (tmp_path / "state").glob("*.json"):
        assert "somebody" not in path.read_text("utf-8")
    assert load(tmp_path).entry.images.ct == Path("ct.nii.gz")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int16, bool])
def test_any_kind_of_array(tmp_path: Path, dtype: Any) -> None:
    """Odd sizes (bits do not fill bytes), storage that runs backwards, nan and values int16 cannot hold."""
    data = np.random.default_rng(0).normal(0, 100, (5, 3, 7)).astype(dtype)[::-1, :, ::2]
    if dtype == np.float32:
        data[0, 0, 0], data[0, 0, 1] = np.nan, 40_000.0
    affine = np.diag([-1.0, 2.0, 3.0, 1.0])
    store = VolumeStore()
    volume = Volume(data, Grid((5, 3, 4), affine, "1.2.3"), "a name")
    key = store.add(volume)
    store.write(tmp_path / "v.npz")
    found = read_volumes(tmp_path / "v.npz", store.rows)[key]
    assert found.data.dtype == data.dtype
    assert np.array_equal(found.data, data, equal_nan=dtype in (np.float32, np.float64))
    assert found.source == "a name"


@pytest.mark.parametrize(
    "name",
    ["volumes.npz", "case.json", "plan.json", "entry.json", "protocol.json", "treatment.json", "surrogate_1.npz"],
)
def test_one_changed_byte_is_found(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path) / "state" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=f"(?s)damaged or was changed.*{name}"):
        load(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=f"(?s){name} is missing"):
        load(tmp_path)


def test_foreign_old_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no planned case"):
        load(tmp_path)
    manifest = saved(tmp_path) / "state" / "manifest.json"
    document = json.loads(manifest.read_text())
    for change, message in (
        ({"schema_version": 0}, "another version"),
        ({"kind": "something"}, "no planned case of Vertherm"),
        ({"files": {}}, "manifest without"),
    ):
        manifest.write_text(json.dumps({**document, **change}))
        with pytest.raises(InputError, match=message):
            load(tmp_path)
    manifest.write_text("{")
    with pytest.raises(InputError, match="damaged"):
        load(tmp_path)


def test_a_right_hash_over_wrong_content_is_refused_too(tmp_path: Path) -> None:
    """Somebody edits a file and its hash: what cannot be understood is an InputError, never a traceback."""
    folder = saved(tmp_path) / "state"
    (folder / "case.json").write_text('{"volumes": {}}')
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["case.json"] = hashlib.sha256((folder / "case.json").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="cannot be read, although"):
        load(tmp_path)


def test_a_pickle_in_the_archive_does_not_run(tmp_path: Path) -> None:
    folder = saved(tmp_path) / "state"
    np.savez(folder / "volumes.npz", v0=np.array([{"a": 1}], dtype=object))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["volumes.npz"] = hashlib.sha256((folder / "volumes.npz").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="cannot be read, although"):
        load(tmp_path)


def test_nothing_half_written(tmp_path: Path) -> None:
    class Broken(FakeSurrogate):
        def save(self, path: Path) -> None:
            raise OSError("disk full")

    case = _phantom()
    result = Result(plan_document(), treatment(case), {"arm": Broken({})})
    with pytest.raises(InputError, match="Cannot write"):
        save_state(tmp_path / "plan" / "state", case, default_protocol(), entry(), result)
    assert not (tmp_path / "plan" / "state").exists()
    with pytest.raises(InputError, match="without a treatment"):
        save_state(tmp_path / "x", case, default_protocol(), entry(), replace(result, treatment=None))
    shutil.rmtree(tmp_path / "plan")
