"""Time of a provisional plan by step, on the phantom and on the lumbar scan where it is there; one reading of the
surrogate; the optimiser's gap to a dense sweep.

The phantom: L3, lesion of 6 mm radius in the body, margin 2 mm, one antenna, four paths. Reading of images and the
report are not part of it. The verified plan (59 samples and the full wave) is timed only where it is asked for.
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
GOAL_S, PATHS_GOAL_S, VERIFIED_GOAL_S = 60.0, 10.0, 1200.0
RADIUS_MM, OFFSET_MM = 6.0, (5.0, 6.0, 0.0)
MARGIN_MM = 2.0
LUMBAR = "totalseg_lumbar/ct.nii.gz"
LABELS = {
    "seg_total117_fast.nii.gz": "totalsegmentator",
    "seg_vertebrae_body_disc.nii.gz": "totalsegmentator-vertebrae-body",
}


def rows(quick: bool = False, progress: Progress = silent, verified: bool = False) -> list[Row]:
    """Benchmark rows; ``ratio`` is the goal over the time (above 1: reached).

    Args:
        quick: few candidate paths, one path, coarse cells, for tests.
        progress: told what is done.
        verified: also the verified plan (minutes).
    """
    found = _plan_rows("phantom", *_phantom(quick), "quick", progress)
    if quick:
        return found
    found += _lumbar_rows(progress)
    if verified:
        found += _plan_rows("phantom, verified", *_phantom(quick), "full", progress)
    return found


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
    entry = CaseFile(
        case="lumbar",
        title="Lumbar scan, synthetic lesion in L3",
        images=Images(ct=folder / LUMBAR, labels=labels),
        targets=(
            Target(level="L3", level_confirmed=True, kind="lytic", synthetic=SyntheticLesion(radius_mm=RADIUS_MM)),
        ),
        plan=PlanEntry(margin_mm=MARGIN_MM),
    )
    case, _ = prepare_case(entry, None, progress)
    return _plan_rows("lumbar scan", case, entry, "quick", progress)


def _plan_rows(name: str, case: Case, entry: CaseFile, robust: Any, progress: Progress) -> list[Row]:
    from vertherm.planning.optimise.run import make_plan
    from vertherm.planning.protocol import default_protocol

    start = time.perf_counter()
    result = make_plan(case, default_protocol(), entry, robust=robust, progress=progress)
    took = time.perf_counter() - start
    plan = result.plan
    goal = VERIFIED_GOAL_S if robust == "full" else GOAL_S
    note = f"{plan.status}; {len(plan.candidates)} arms; {plan.access[0].candidates} candidate paths"
    found = [_row(f"plan, {name}", took, goal / took, note)]
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
