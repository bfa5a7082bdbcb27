"""Needle paths for other programs: a table, 3D Slicer markups, a label map on the CT, VTK lines.

Formats: 3D Slicer markups schema 1.0.3, type "Line" ([S] schema file and documentation of 3D Slicer: coordinateSystem
"LPS" or "RAS", coordinateUnits, controlPoints with label, position, positionStatus); VTK legacy file format 3.0,
ASCII polydata with lines and cell data ([S] VTK file formats).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.access.path import AccessResult, NeedlePath
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import LPS_RAS, Grid, Volume
from vertherm.imaging.nifti import write_nifti

MARKUPS_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
COLUMNS = (
    ("number", "value in needles.nii.gz"),
    ("target", ""),
    ("level", ""),
    ("path", ""),
    ("approach", ""),
    ("side", "of the patient"),
    ("position", "of the patient"),
    ("begins_at", "skin or image edge"),
    *((f"{end}_{axis}", "mm RAS") for end in ("entry", "tip", "focus") for axis in "xyz"),
    ("length", "mm"),
    ("bone", "mm"),
    ("axial", "degree, positive to the left"),
    ("cranio_caudal", "degree, positive from above"),
    ("gantry", "degree"),
    ("incidence", "degree"),
    ("pedicle_wall", "mm"),
    ("breach", "mm"),
    ("breach_grade", ""),
    ("tip_to_target", "mm"),
    ("tip_outside", "mm"),
    ("coverage", "share"),
    ("zone_factor", "1"),
    ("risk", "1"),
    ("nearest", ""),
    ("nearest_distance", "mm"),
    ("nearest_after_error", "mm"),
    ("nearest_required", "mm"),
    ("nearest_label_error", "mm"),
    ("needle_radius", "mm"),
    ("crosses", ""),
    ("notes", ""),
)
SUFFIX = ".mrk.json"


def write_paths(results: Sequence[AccessResult], folder: Path, grid: Grid) -> None:
    """Write all paths of all targets into ``folder`` (made where it is missing).

    paths.csv: one row a path, units in the head. <target>_<path>.mrk.json: a line for 3D Slicer, LPS.
    needles.nii.gz: on ``grid`` (the CT's), the number of the path from tip to entry, 0 elsewhere; where needles cross,
    the one listed first shows; needles.json: its key. needles.vtk: lines in RAS mm.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(_numbered(results))
    names = _file_names(rows)
    _write_table(rows, folder / "paths.csv")
    for (_, result, path), name in zip(rows, names, strict=True):
        text = json.dumps(markup(result, path), indent=2, ensure_ascii=False, allow_nan=False)
        (folder / f"{name}{SUFFIX}").write_text(text + "\n", "utf-8")
    write_nifti(needle_labels(results, grid), folder / "needles.nii.gz")
    key = {
        "what": "values of needles.nii.gz; 0 is no needle",
        "needles": [
            {
                "value": number,
                "target": result.target,
                "path": path.name,
                "approach": path.approach.value,
                "side": path.side,
                "file": f"{name}{SUFFIX}",
            }
            for (number, result, path), name in zip(rows, names, strict=True)
        ],
    }
    (folder / "needles.json").write_text(json.dumps(key, indent=2, ensure_ascii=False) + "\n", "utf-8")
    (folder / "needles.vtk").write_text(vtk_lines(results), "ascii")


def markup(result: AccessResult, path: NeedlePath) -> dict[str, Any]:
    """A path as a 3D Slicer line: two control points, Entry and Tip, in LPS mm."""
    title = f"{result.target} {path.name} {path.approach.value} {path.side}"
    ends = (("Entry", path.trajectory.entry_mm), ("Tip", path.trajectory.tip_mm))
    points = [
        {
            "id": str(number),
            "label": label,
            "description": path.entry_kind if label == "Entry" else "",
            "position": [round(float(value), 4) + 0.0 for value in LPS_RAS @ point],
            "selected": True,
            "locked": True,
            "visibility": True,
            "positionStatus": "defined",
        }
        for number, (label, point) in enumerate(ends, 1)
    ]
    line = {
        "type": "Line",
        "name": title,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": True,
        "fixedNumberOfControlPoints": True,
        "labelFormat": "%N-%d",
        "controlPoints": points,
        "display": {"visibility": True, "pointLabelsVisibility": True, "propertiesLabelVisibility": True},
    }
    return {"@schema": MARKUPS_SCHEMA, "markups": [line]}


def needle_labels(results: Sequence[AccessResult], grid: Grid) -> Volume:
    """Label map on ``grid``: voxels whose centre lies within a needle, and those its axis passes through.

    The axis counts whatever the radius, so that a thin needle leaves no gaps on coarse voxels.
    """
    rows = list(_numbered(results))
    labels = np.zeros(grid.shape, np.uint16 if len(rows) > 255 else np.uint8)
    for number, result, path in reversed(rows):
        index = _voxels(path.trajectory, result.needle.radius_mm, grid)
        labels[tuple(index.T)] = number
    return Volume(labels, grid, "needles")


def vtk_lines(results: Sequence[AccessResult]) -> str:
    """All paths as legacy VTK polydata, ASCII, RAS mm; cell data: number, risk, coverage, and the names as text."""
    rows = list(_numbered(results))
    points = [p for _, _, path in rows for p in (path.trajectory.entry_mm, path.trajectory.tip_mm)]
    lines = [
        "# vtk DataFile Version 3.0",
        "Vertherm needle paths; RAS mm, each line from entry to tip",
        "ASCII",
        "DATASET POLYDATA",
        f"POINTS {len(points)} float",
        *(" ".join(f"{float(value):.4f}" for value in point) for point in points),
        f"LINES {len(rows)} {3 * len(rows)}",
        *(f"2 {2 * n} {2 * n + 1}" for n in range(len(rows))),
    ]
    if rows:
        lines += [f"CELL_DATA {len(rows)}", "FIELD paths 5"]
        lines += _field("number", "int", [str(number) for number, _, _ in rows])
        lines += _field("risk", "float", [f"{path.risk:.6g}" for _, _, path in rows])
        lines += _field("coverage", "float", [f"{path.coverage:.6g}" for _, _, path in rows])
        lines += _field("zone_factor", "float", [f"{path.zone_factor:.6g}" for _, _, path in rows])
        lines += _field("name", "string", [_vtk_text(f"{r.target} {p.name}") for _, r, p in rows])
    return "\n".join(lines) + "\n"


def _field(name: str, kind: str, values: list[str]) -> list[str]:
    return [f"{name} 1 {len(values)} {kind}", *values]


def _vtk_text(text: str) -> str:
    """Strings of the legacy format: ASCII, with everything unusual (blanks too) as %XX of its UTF-8 bytes."""
    kept = {ord(c) for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.()+"}
    return "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in text.encode())


def _numbered(results: Sequence[AccessResult]) -> Iterator[tuple[int, AccessResult, NeedlePath]]:
    """Paths of all targets with the number each has in every file, from 1."""
    number = 0
    for result in results:
        for path in result.paths:
            number += 1
            yield number, result, path


def _file_names(rows: Sequence[tuple[int, AccessResult, NeedlePath]]) -> list[str]:
    """<target>_<path> with letters that every file system takes; numbered where two targets would share a name."""
    plain = [_safe(f"{result.target}_{path.name}") for _, result, path in rows]
    lowered = [name.lower() for name in plain]
    return [
        name if lowered.count(name.lower()) == 1 else f"{name}_{number}"
        for name, (number, _, _) in zip(plain, rows, strict=True)
    ]


def _safe(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in name)


def _write_table(rows: Sequence[tuple[int, AccessResult, NeedlePath]], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([f"{name} [{unit}]" if unit else name for name, unit in COLUMNS])
        for number, result, path in rows:
            writer.writerow(_cells(number, result, path))


def _cells(number: int, result: AccessResult, path: NeedlePath) -> list[str]:
    nearest = path.nearest
    near = (
        ["", "", "", "", ""]
        if nearest is None
        else [
            nearest.name,
            *map(
                _number,
                (nearest.distance_mm, nearest.after_error_mm, nearest.required_mm, nearest.label_error_mm),
            ),
        ]
    )
    needle = path.trajectory
    ends = [_number(v) for point in (needle.entry_mm, needle.tip_mm, path.focus_ras_mm) for v in point]
    metrics = (path.length_mm, path.bone_mm, path.axial_deg, path.cranio_caudal_deg, path.gantry_deg)
    cells = [str(number), result.target, str(result.level), path.name, path.approach.value, path.side]
    cells += [result.position, path.entry_kind, *ends, *map(_number, (*metrics, path.incidence_deg))]
    cells += [_number(path.pedicle_wall_mm), _number(path.breach_mm), path.breach_grade]
    scores = (path.coverage, path.zone_factor, path.risk)
    cells += [_number(v) for v in (path.tip_to_target_mm, path.tip_outside_mm, *scores)]
    return [*cells, *near, _number(result.needle.radius_mm), "; ".join(path.crosses), "; ".join(path.notes)]


def _number(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{float(value):.4f}"


def _voxels(needle: Trajectory, radius_mm: float, grid: Grid) -> NDArray[np.int64]:
    """Indices (n, 3) of the voxels of a needle within the grid."""
    step = 0.02 * float(grid.spacing_mm.min())
    along = np.append(np.arange(0.0, needle.length_mm, step), needle.length_mm)
    axis = np.rint(grid.index(needle.point_mm(along))).astype(np.int64)
    reach = np.ceil(radius_mm / grid.spacing_mm).astype(int)
    offsets = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1).reshape(-1, 3)
    near = np.unique((np.unique(axis, axis=0)[:, None] + offsets).reshape(-1, 3), axis=0)
    r, z = needle.cylindrical_mm(grid.world(near))
    capped = np.hypot(r, np.maximum(np.maximum(-z, z - needle.length_mm), 0.0))
    found = np.unique(np.concatenate([axis, near[capped <= radius_mm]]), axis=0)
    inside = ((found >= 0) & (found < np.array(grid.shape))).all(axis=1)
    return np.asarray(found[inside])
