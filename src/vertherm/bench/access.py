"""Time of the search for needle paths to a lesion of the torso phantom, over the number of candidates.

The lesion with 5 mm of margin, the default rules, an antenna of the catalogue. Each size runs once compiled code is on
disk and in the process (a small search comes first and is a row of its own). The last rows fit seconds against
candidates by a power law: an exponent of 1 means work in proportion to the candidates.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from vertherm.core.progress import Progress, silent

Row = dict[str, Any]
GOAL_S = 10.0
MARGIN_MM = 5.0
ANTENNA = "tosoratti_mini_choke"
SIZES = (250_000, 500_000, 1_000_000, 2_000_000, 4_000_000)
QUICK_SIZES = (5_000, 10_000)


def rows(quick: bool = False, progress: Progress = silent, threads: int | None = None) -> list[Row]:
    """Benchmark rows; ``ratio`` is the goal of 10 s over the time (above 1: reached).

    Args:
        quick: a coarse phantom and few candidates, for tests.
        progress: receives progress.
        threads: of the search; None: all cores.
    """
    threads = threads or os.cpu_count() or 1
    sizes = QUICK_SIZES if quick else SIZES
    progress("phantom", 0.0)
    search, size = _search(3.0 if quick else 1.0, threads)
    start = time.perf_counter()
    search(QUICK_SIZES[0])
    first = time.perf_counter() - start
    out = [_row("needle paths, first search of a process", first, None, f"{QUICK_SIZES[0]} candidates; {size}")]
    points = []
    for number, wanted in enumerate(sizes):
        progress(f"{wanted} candidates", (number + 1) / (len(sizes) + 1))
        start, busy = time.perf_counter(), time.process_time()
        result = search(wanted)
        took, cpu = time.perf_counter() - start, time.process_time() - busy
        points.append((result.candidates, took, cpu))
        out += _size_rows(result, took, cpu, f"{size}; {threads} thread{'s' if threads > 1 else ''}")
    return [*out, *_growth(np.array(points))]


def _search(spacing_mm: float, threads: int) -> tuple[Any, str]:
    """A function from a number of candidates to the result, and the size of the scene in words."""
    from vertherm.access.search import find_paths
    from vertherm.applicator.antenna import load_antenna
    from vertherm.planning.access.access import needle_spec
    from vertherm.planning.access.scene import access_scene
    from vertherm.planning.case import AccessEntry
    from vertherm.planning.phantom import phantom_case
    from vertherm.planning.protocol import default_protocol

    case, protocol = phantom_case(spacing_mm=spacing_mm), default_protocol()
    scene = access_scene(case, case.targets[0], protocol, margin_mm=MARGIN_MM)
    needle = needle_spec(load_antenna(ANTENNA), protocol.access, AccessEntry())

    def search(candidates: int) -> Any:
        return find_paths(scene, protocol.access, needle, candidates=candidates, threads=threads)

    shape = scene.body.grid.shape
    return search, f"{shape[0]} x {shape[1]} x {shape[2]} voxels of {spacing_mm:g} mm, {len(scene.solids)} structures"


def _size_rows(result: Any, took: float, cpu: float, size: str) -> list[Row]:
    title = f"needle paths, {result.candidates} candidates"
    steps = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in result.timings_s.items())
    found = f"{result.admissible} admissible; {size}; {steps}"
    return [
        _row(title, took, GOAL_S / took, found, cpu),
        {"name": f"{title}, rate", "value": result.candidates / took, "unit": "1/s", "ratio": None, "note": size},
    ]


def _growth(points: Any) -> list[Row]:
    """Exponent of seconds = c * candidates^exponent, by least squares of the logarithms; wall and processor time."""
    out = []
    for column, name in ((1, "wall time"), (2, "processor time")):
        exponent = float(np.polyfit(np.log(points[:, 0]), np.log(points[:, column]), 1)[0])
        note = f"{int(points[0, 0])} to {int(points[-1, 0])} candidates; 1: in proportion, below 1: fixed costs show"
        row: Row = {"name": f"needle paths, growth of the {name}", "value": exponent, "unit": "", "ratio": None}
        out.append({**row, "note": note})
    return out


def _row(name: str, value: float, ratio: float | None, note: str, cpu_s: float | None = None) -> Row:
    return {"name": name, "value": value, "unit": "s", "ratio": ratio, "cpu_s": cpu_s, "note": note}
