"""How near cement comes to the two endplates: contact with both carries load from disc to disc."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vertherm.access.vertebra import coordinates
from vertherm.cement.vertebra import VertebraScene
from vertherm.planning.cement.document import EndplateRow

COLUMN_MM = 2.0
"""Width of the columns along the vertebra's axis in which its top and bottom are looked for."""
CONTACT_CELLS = 1.5
"""Cement this near to the endplate, in cells, touches it: one cell is the endplate itself."""
MIDDLE = 0.7
"""Share of the body's half width and depth within which its top and bottom count as endplate, not as rim."""


def endplate_rows(scene: VertebraScene, filled: NDArray[np.bool_]) -> list[EndplateRow]:
    """Distance of the cement from each endplate, along the vertebra's axis."""
    frame = scene.frame
    if frame is None or not scene.body.any():
        return [_row("superior", None, 0.0), _row("inferior", None, 0.0)]
    body = coordinates(frame, scene.grid.world(np.argwhere(scene.body)))
    cement = coordinates(frame, scene.grid.world(np.argwhere(filled & scene.body)))
    return [
        _row(name, _distance_mm(body, cement, sign), scene.spacing_mm)
        for name, sign in (("superior", 1.0), ("inferior", -1.0))
    ]


def _row(name: str, distance_mm: float | None, spacing_mm: float) -> EndplateRow:
    near = distance_mm is not None and distance_mm <= CONTACT_CELLS * spacing_mm
    return EndplateRow(endplate=name, contact=near, distance_mm=distance_mm)  # type: ignore[arg-type]


def _distance_mm(body: NDArray[np.float64], cement: NDArray[np.float64], sign: float) -> float | None:
    """Smallest distance between the top of the cement and that of the body in one column."""
    if not len(cement):
        return None
    half = np.percentile(np.abs(body[:, :2]), 98, axis=0)
    tops: dict[tuple[int, int], float] = {}
    for (i, j), height in zip(_columns(body), sign * body[:, 2], strict=True):
        tops[i, j] = max(height, tops.get((i, j), -np.inf))
    inner = np.asarray((np.abs(cement[:, :2]) <= MIDDLE * half).all(axis=1))
    gaps = [
        tops[i, j] - height
        for (i, j), height, good in zip(_columns(cement), sign * cement[:, 2], inner, strict=True)
        if good and (i, j) in tops
    ]
    return max(float(min(gaps)), 0.0) if gaps else None


def _columns(points: NDArray[np.float64]) -> list[tuple[int, int]]:
    return [(int(i), int(j)) for i, j in np.floor(points[:, :2] / COLUMN_MM)]
