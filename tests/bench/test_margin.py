"""The margin's benchmark: closed forms right, rows complete, a missing peer said."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest

from vertherm.bench import margin
from vertherm.bench.margin import PAIRS, Pair, _signed_to_ellipsoid, bodies, by_transform, rows


def test_distance_to_an_ellipsoid() -> None:
    """On the axes of a sphere and of an ellipsoid the distance is a difference of lengths; elsewhere the foot point is
    the nearest of 40,000 points of the surface, within their spacing (0.2 mm squared over twice the distance: 0.01 mm).
    """
    axes = np.array([19.0, 14.0, 16.0])
    points = np.array(
        [[25.0, 1e-9, 1e-9], [1e-9, 10.0, 1e-9], [1e-9, 1e-9, -30.0], [11.0, -9.0, 7.0], [3.0, 16.0, 9.0]]
    )
    got = _signed_to_ellipsoid(points, axes)
    assert got[:3] == pytest.approx([-6.0, 4.0, -14.0], abs=1e-6)
    polar, turn = np.meshgrid(np.linspace(0, np.pi, 200), np.linspace(0, 2 * np.pi, 400), indexing="ij")
    surface = axes * np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], -1)
    nearest = np.linalg.norm(surface.reshape(-1, 1, 3) - points[None, 3:], axis=2).min(axis=0)
    assert np.abs(got[3:]) == pytest.approx(nearest, abs=0.02)


def test_minimum_of_two_balls() -> None:
    """R - r - |offset| = 17 - 9 - sqrt(7.25) = 5.307 mm; the search over ellipsoids finds the same for balls."""
    exact = PAIRS[0].minimum_mm()
    assert exact == pytest.approx(17 - 9 - np.sqrt(7.25))
    almost = Pair("almost", (9.0, 9.0, 9.0), (17.0, 17.0, 17.0 + 1e-9), PAIRS[0].offset)
    assert almost.minimum_mm() == pytest.approx(exact, abs=1e-4)


def test_rows() -> None:
    """Ours stays within its stated error; each contestant has a time and an error, ratio is the peer over ours."""
    found = rows(quick=True)
    json.dumps(found, allow_nan=False)
    assert all({"name", "value", "unit", "ratio", "note"} == set(row) for row in found)
    for row in found:
        if row["name"].startswith("vertherm error"):
            assert row["value"] < float(row["note"].split("states +-")[1].split(" mm")[0])
        if row["name"].startswith("scipy") and row["unit"] == "s":
            assert row["ratio"] > 0


def test_a_missing_peer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def without(name: str, *rest: str) -> object:
        if name == "edt":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(margin.importlib, "import_module", without)
    silent = [row for row in rows(quick=True) if row["value"] is None]
    assert {row["note"] for row in silent} == {"not run: edt is not installed"}


def test_distance_transform_of_a_full_volume() -> None:
    """Two balls at 1 mm: voxel centres know the margin to a voxel's diagonal, 1.7 mm."""
    from vertherm.bench.margin import _scipy

    lesion, zone = bodies(PAIRS[0], 1.0)
    assert abs(by_transform(_scipy, lesion, zone) - PAIRS[0].minimum_mm()) < 1.7
