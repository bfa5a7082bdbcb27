"""Paths for other programs, read back by independent code.

- CSV: every number as given to 4 decimals. 3D Slicer: LPS = (-x, -y, z) of RAS, Entry before Tip.
- Label map: a voxel belongs to the needle where its centre lies within the radius of the segment, or the axis passes
  it; checked against a brute force over all voxels and dense points of the axis, on a turned and flipped grid.
- VTK: the legacy format, line by line.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.planning.access_results import path, result
from vertherm.access.path import AccessResult
from vertherm.geometry.volume import Grid
from vertherm.planning.access.path_files import COLUMNS, write_paths

TURN = np.array([[0.0, 0.0, -1.5, 60.0], [2.0, 0.0, 0.0, -70.0], [0.0, -2.5, 0.0, 55.0], [0.0, 0.0, 0.0, 1.0]])
GRID = Grid((50, 40, 80), TURN)


@pytest.fixture(scope="module")
def results() -> tuple[AccessResult, ...]:
    one = path("P1", (-40.0, -60.0, 10.0), (-5.0, 5.0, 0.0))
    two = path("P2", (35.0, -66.0, -4.0), (4.0, 2.0, 1.0), side="right", pedicle_wall_mm=None, clearances=(), notes=())
    other = path("P1", (30.0, -60.0, 20.0), (6.0, 0.0, 12.0), entry_kind="image edge")
    return result("Läsion, L3", one, two), result("second", other)


@pytest.fixture(scope="module")
def folder(results: tuple[AccessResult, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("access") / "paths"
    write_paths(results, out, GRID)
    return out


def test_files(folder: Path) -> None:
    names = sorted(item.name for item in folder.iterdir())
    lines = ["L_sion__L3_P1.mrk.json", "L_sion__L3_P2.mrk.json", "second_P1.mrk.json"]
    assert names == sorted([*lines, "needles.json", "needles.nii.gz", "needles.vtk", "paths.csv"])


def test_table(folder: Path) -> None:
    with (folder / "paths.csv").open(encoding="utf-8", newline="") as stream:
        head, *rows = list(csv.reader(stream))
    assert len(rows) == 3
    assert all(len(row) == len(head) == len(COLUMNS) for row in rows)
    first = dict(zip((name.split(" [")[0] for name in head), rows[0], strict=True))
    assert first["target"] == "Läsion, L3"
    assert [float(first[f"entry_{axis}"]) for axis in "xyz"] == [-40.0, -60.0, 10.0]
    assert float(first["length"]) == pytest.approx(np.sqrt(35**2 + 65**2 + 10**2), abs=1e-4)
    assert (first["nearest"], float(first["nearest_after_error"]), first["breach_grade"]) == ("root L3 left", 1.5, "A")
    assert float(first["nearest_label_error"]) == 2.6
    second = dict(zip((name.split(" [")[0] for name in head), rows[1], strict=True))
    assert (second["pedicle_wall"], second["nearest"]) == ("", "")
    assert "entry_x [mm RAS]" in head


def test_slicer_line(folder: Path) -> None:
    document = json.loads((folder / "L_sion__L3_P1.mrk.json").read_text("utf-8"))
    assert document["@schema"].endswith("markups-schema-v1.0.3.json#")
    (line,) = document["markups"]
    assert (line["type"], line["coordinateSystem"], line["coordinateUnits"]) == ("Line", "LPS", "mm")
    entry, tip = line["controlPoints"]
    assert (entry["label"], tip["label"]) == ("Entry", "Tip")
    assert (entry["positionStatus"], tip["positionStatus"]) == ("defined", "defined")
    assert entry["position"] == [40.0, 60.0, 10.0]
    assert tip["position"] == [5.0, -5.0, 0.0]


def test_label_map(folder: Path, results: tuple[AccessResult, ...]) -> None:
    image = nibabel.load(folder / "needles.nii.gz")
    np.testing.assert_allclose(image.affine, TURN, atol=1e-5)
    labels = np.asanyarray(image.dataobj)
    centres = GRID.centres().reshape(-1, 3)
    expected = np.zeros(GRID.shape, int)
    numbered = [(n, p) for n, p in enumerate((p for r in results for p in r.paths), 1)]
    for number, item in reversed(numbered):
        a, b = item.trajectory.entry_mm, item.trajectory.tip_mm
        share = np.clip((centres - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        near = np.linalg.norm(centres - a - share[:, None] * (b - a), axis=1) <= 1.0
        mask = near.reshape(GRID.shape)
        points = a + np.linspace(0, 1, 5000)[:, None] * (b - a)
        index = np.rint(GRID.index(points)).astype(int)
        index = index[((index >= 0) & (index < GRID.shape)).all(axis=1)]
        mask[tuple(index.T)] = True
        expected[mask] = number
    # Corners that the axis cuts by less than a sample may differ.
    assert (labels != expected).sum() <= 0.03 * (expected > 0).sum()
    key = json.loads((folder / "needles.json").read_text("utf-8"))
    assert [(row["value"], row["target"], row["path"]) for row in key["needles"]] == [
        (1, "Läsion, L3", "P1"),
        (2, "Läsion, L3", "P2"),
        (3, "second", "P1"),
    ]
    for number, item in numbered:
        inside = GRID.contains(item.trajectory.tip_mm)
        assert not inside or labels[tuple(np.rint(GRID.index(item.trajectory.tip_mm)).astype(int))] == number


def test_vtk(folder: Path) -> None:
    text = (folder / "needles.vtk").read_text("ascii").splitlines()
    assert text[0] == "# vtk DataFile Version 3.0"
    assert "RAS" in text[1]
    assert text[2:4] == ["ASCII", "DATASET POLYDATA"]
    assert text[4] == "POINTS 6 float"
    points = np.array([[float(v) for v in row.split()] for row in text[5:11]])
    assert points[0].tolist() == [-40.0, -60.0, 10.0]
    assert text[11] == "LINES 3 9"
    assert text[12:15] == ["2 0 1", "2 2 3", "2 4 5"]
    assert text[15:17] == ["CELL_DATA 3", "FIELD paths 5"]
    assert text[17:21] == ["number 1 3 int", "1", "2", "3"]
    assert text[21] == "risk 1 3 float"
    assert text[29:33] == ["zone_factor 1 3 float", "0.9", "0.9", "0.9"]
    assert text[34] == "L%C3%A4sion%2C%20L3%20P1"


def test_two_targets_whose_names_look_alike_keep_their_files(tmp_path: Path) -> None:
    one = path("P1", (-40.0, -60.0, 10.0), (-5.0, 5.0, 0.0))
    write_paths((result("a b", one), result("a_B", one)), tmp_path, GRID)
    assert len(list(tmp_path.glob("*.mrk.json"))) == 2


def test_no_path_still_gives_readable_files(tmp_path: Path) -> None:
    write_paths((result("nothing"),), tmp_path, GRID)
    assert (tmp_path / "paths.csv").read_text("utf-8").count("\n") == 1
    assert not np.asanyarray(nibabel.load(tmp_path / "needles.nii.gz").dataobj).any()
    assert "LINES 0 0" in (tmp_path / "needles.vtk").read_text("ascii")
