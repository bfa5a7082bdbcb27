from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from vertherm.applicator import cache as cache_module
from vertherm.applicator.antenna import load_antenna
from vertherm.applicator.axisymmetric import AxisymmetricModel
from vertherm.applicator.cache import SolutionCache, default_folder
from vertherm.applicator.medium import Gridded, Homogeneous
from vertherm.core.warnings import VerthermWarning

BONE = Homogeneous(18.55, 0.805)


@pytest.fixture(scope="module")
def model():
    return AxisymmetricModel(load_antenna("ji_brace_monopole"), 2.45e9, mesh_size_mm=0.15)


def test_second_time_is_read_and_equal_bit_by_bit(model, tmp_path):
    cache = SolutionCache(tmp_path)
    fresh = cache.solve(model, BONE)
    stored = SolutionCache(tmp_path).solve(model, BONE)
    assert (cache.hits, cache.misses) == (0, 1)
    assert stored.s11 == fresh.s11
    assert stored.antenna == fresh.antenna
    assert stored.absorbed_w == fresh.absorbed_w
    assert np.array_equal(stored.e2, fresh.e2)
    assert stored.e2.dtype == fresh.e2.dtype
    assert np.array_equal(stored.tissue, fresh.tissue)
    assert [p.suffix for p in tmp_path.iterdir()] == [".npz"], "no partial file stays behind"


def test_everything_that_matters_changes_the_address(model, monkeypatch, tmp_path):
    cache = SolutionCache(tmp_path)
    lines = (np.array([0.0, 0.05]), np.array([0.0, 0.05]))
    keys = {
        cache.key(model, BONE),
        cache.key(model, Homogeneous(18.55, 0.806)),
        cache.key(model, Gridded(*lines, np.full((2, 2), 18.55), np.full((2, 2), 0.805))),
        cache.key(AxisymmetricModel(model.antenna, 915e6, mesh_size_mm=0.15), BONE),
        cache.key(AxisymmetricModel(model.antenna, 2.45e9, mesh_size_mm=0.2), BONE),
        cache.key(AxisymmetricModel(load_antenna("coaxial_slot"), 2.45e9, mesh_size_mm=0.15), BONE),
    }
    monkeypatch.setattr(cache_module, "code_version", lambda: "another program")
    keys.add(cache.key(model, BONE))
    assert len(keys) == 7


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_damaged_entry_is_ignored_and_replaced(model, tmp_path, content):
    cache = SolutionCache(tmp_path)
    fresh = cache.solve(model, BONE)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    again = cache.solve(model, BONE)
    assert cache.misses == 2
    assert again.s11 == fresh.s11
    assert path.read_bytes() == whole


def test_flipped_byte_in_the_arrays_is_noticed(model, tmp_path):
    cache = SolutionCache(tmp_path)
    cache.solve(model, BONE)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    cache.solve(model, BONE)
    assert cache.misses == 2


def test_full_disk_warns_and_still_solves(model, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(VerthermWarning, match="No space left"):
        assert SolutionCache(tmp_path).solve(model, BONE).absorbed_w > 0
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_exist_warns_and_still_solves(model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(VerthermWarning, match="cannot be written"):
        assert SolutionCache(tmp_path / "file" / "cache").solve(model, BONE).absorbed_w > 0


def test_folder_from_the_environment_and_limit(monkeypatch, tmp_path, model):
    monkeypatch.setenv("VERTHERM_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "antenna"
    SolutionCache().solve(model, BONE)
    assert len(list((tmp_path / "antenna").iterdir())) == 1
    SolutionCache(limit_mb=0.0)
    assert not list((tmp_path / "antenna").iterdir())


def test_entry_that_another_process_removed_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "glob", lambda *_: iter([tmp_path / "gone.npz"]))
    assert SolutionCache(tmp_path, limit_mb=0.125).folder == tmp_path
