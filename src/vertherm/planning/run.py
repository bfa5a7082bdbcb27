"""One call from a case file to its result."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from vertherm.core.progress import Progress, silent
from vertherm.ensemble.distributions import Space
from vertherm.planning.case import CaseFile
from vertherm.planning.predict import CaseResult, predict
from vertherm.planning.prepare import prepare


def run_case(
    entry: CaseFile,
    *,
    case_path: Path | None = None,
    workers: int = 0,
    address: str | None = None,
    space: Space | None = None,
    progress: Progress = silent,
) -> CaseResult:
    """Read, check and predict a case.

    Args:
        entry: the loaded case file.
        case_path: the file itself, hashed into the provenance.
        workers: processes; 0 takes one a core.
        address: of a Dask scheduler that runs the members instead.
        space: uncertain parameters instead of the default ones and those of the protocol.

    Raises:
        InputError: the case, its images or its treatment cannot be used.
    """
    start = time.perf_counter()
    case, treatment, protocol = prepare(entry, case_path, progress)
    reading = time.perf_counter() - start
    result = predict(
        case, treatment, protocol, entry.numerics, workers=workers, address=address, space=space, progress=progress
    )
    timings = {"reading": round(reading, 3), **result.assessment.timings_s}
    if treatment.protection:
        from vertherm.planning.protection.effect import effect_of_protection

        start = time.perf_counter()
        effect = effect_of_protection(case, treatment, protocol, entry.numerics, workers=workers, progress=progress)
        result = replace(result, effect=effect)
        timings["protection"] = round(time.perf_counter() - start, 3)
    return replace(result, assessment=result.assessment.model_copy(update={"timings_s": timings}))
