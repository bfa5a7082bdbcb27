"""Time of a provisional plan by step, on the phantom and on the lumbar scan where it is there; one reading of the
surrogate; the optimiser's gap to a dense sweep.

The phantom: L3, lesion of 6 mm radius in the body, margin 2 mm, one antenna, four paths. The scan: a small lesion that
has a plan, and one that has none (two arms are then tried, and what would help is computed). Reading of images and the
report are not part of it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertherm.core.progress import Progress, silent

if TYPE_CHECKING:
    from vertherm.planning.case import CaseFile
    from vertherm.planning.objects import Case
    from vertherm.planning.optimise.run import PlanResult

Row = dict[str, Any]
GOAL_S, PATHS_GOAL_S = 60.0, 10.0
RADIUS_MM, OFFSET_MM = 6.0, (5.0, 6.0, 0.0)
MARGIN_MM = 2.0
SMALL = "small lesion", "L1", {"radius_mm": 3.0, "centre_mm": (8.0, 134.0, 382.0)}, 0.0
LARGE = "lesion without safe plan", "L3", {"radius_mm": RADIUS_MM}, MARGIN_MM
LUMBAR = "totalseg_lumbar/ct.nii.gz"
LABELS = {
    "seg_total117_fast.nii.gz": "totalsegmentator",
    "seg_vertebrae_body_disc.nii.gz": "totalsegmentator-vertebrae-body",
}


def rows(quick: bool = False, progress: Progress = silent) -> list[Row]:
    """Benchmark rows; ``ratio`` is the goal over the time (above 1: reached).

    Args:
        quick: few candidate paths, one path, coarse cells, for tests.
        progress: told what is done.
    """
    found = _plan_rows("phantom", *_phantom(quick), progress)
    if quick:
        return found
    return found + _lumbar_rows(progress)


def _phantom(quick: bool) -> tuple[Case, CaseFile]:
    from vertherm.planning.case import AccessEntry, CaseFile, Images, Numerics, PlanEntry, SyntheticLesion, Target
    from vertherm.planning.phantom import phantom_case

    case = phantom_case("L3", spacing_mm=2.0 if quick else 1.5, lesion_radius_mm=RADIUS_MM, lesion_offset_mm=OFFSET_MM)
    lesion = SyntheticLesion(radius_mm=RADIUS_MM)
    plan = PlanEntry(margin_mm=MARGIN_MM)
    if quick:
        plan = PlanEntry(margin_mm=MARGIN_MM, paths=1, samples=4, time_s=(60.0, 120.0), max_activations=1)
    entry = CaseFile(
        case="phantom",
        title="Torso phantom",
        images=Images(ct=Path("phantom")),
        targets=(Target(level="L3", level_confirmed=True, kind="lytic", synthetic=lesion),),
        plan=plan,
        access=AccessEntry(candidates=20_000 if quick else 2_000_000),
        numerics=Numerics(spacing_mm=3.0 if quick else 1.0),
    )
    return case, entry


def _lumbar_rows(progress: Progress) -> list[Row]:
    from vertherm.planning.case import CaseFile, Images, LabelFile, PlanEntry, SyntheticLesion, Target
    from vertherm.planning.prepare import prepare_case

    folder = Path(os.environ.get("VERTHERM_DATA", ""))
    if not os.environ.get("VERTHERM_DATA") or not (folder / LUMBAR).exists():
        note = "not run: data missing (set VERTHERM_DATA to the folder with the scans)"
        return [{"name": "plan, lumbar scan", "value": None, "unit": "s", "ratio": None, "note": note}]
    labels = tuple(LabelFile(path=folder / "totalseg_lumbar" / name, vocabulary=word) for name, word in LABELS.items())
    found = []
    for name, level, lesion, margin in SMALL, LARGE:
        entry = CaseFile(
            case="lumbar",
            title=f"Lumbar scan, synthetic lesion in {level}",
            images=Images(ct=folder / LUMBAR, labels=labels),
            targets=(Target(level=level, level_confirmed=True, kind="lytic", synthetic=SyntheticLesion(**lesion)),),
            plan=PlanEntry(margin_mm=margin),
        )
        case, _ = prepare_case(entry, None, progress)
        found += _plan_rows(f"lumbar scan, {name}", case, entry, progress)
    return found


def _plan_rows(name: str, case: Case, entry: CaseFile, progress: Progress) -> list[Row]:
    from vertherm.ensemble.runner import kept_workers
    from vertherm.planning.optimise.run import NEEDED_BY_WORKERS, make_plan
    from vertherm.planning.protocol import default_protocol

    start = time.perf_counter()
    with kept_workers(preload=NEEDED_BY_WORKERS):
        result = make_plan(case, default_protocol(), entry, progress=progress)
    took = time.perf_counter() - start
    plan = result.plan
    note = f"{plan.status}; {len(plan.candidates)} arms; {plan.access[0].candidates} candidate paths"
    found = [_row(f"plan, {name}", took, GOAL_S / took, note)]
    for step, seconds in plan.timings_s.items():
        if step != "total":
            ratio = PATHS_GOAL_S / seconds if step == "paths" and seconds > 0 else None
            found.append(_row(f"  {step}, {name}", seconds, ratio, f"{seconds / took:.0%}"))
    return [*found, *_reading_rows(name, result), *_gap_rows(name, result)]


def _reading_rows(name: str, result: PlanResult) -> list[Row]:
    from vertherm.planning.surrogate.dose import Dose, Pulse

    found = []
    for surrogate in list(result.surrogates.values())[:1]:
        start = time.perf_counter()
        doses = [Dose((Pulse(20.0 + n, 120.0),)) for n in range(10)]
        for dose in doses:
            surrogate.readings(dose)
        each = (time.perf_counter() - start) / len(doses)
        found.append(_row(f"  one reading of the surrogate, {name}", each, None, f"{surrogate.n} variants"))
    return found


def _gap_rows(name: str, result: PlanResult) -> list[Row]:
    gap = result.plan.gap
    if gap is None:
        return []
    note = f"score {gap.found:.3f} found, {gap.sweep_best:.3f} best of {gap.sweep_points} doses"
    return [{"name": f"  gap to a dense sweep, {name}", "value": gap.gap, "unit": "share", "ratio": None, "note": note}]


def _row(name: str, value: float, ratio: float | None, note: str) -> Row:
    return {"name": name, "value": float(value), "unit": "s", "ratio": ratio, "note": note}
