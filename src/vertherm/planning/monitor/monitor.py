"""Live thermocouple readings against a plan: what they say about every structure, and whether to go on.

The readings weigh the plan's variants and one factor on all temperature rises (see ``monitor_update``). Each structure
is then followed for two courses, power off now and power as planned, until its heat has peaked: what still arrives
after switch-off counts. Until the readings support it, nothing is more optimistic than the plan's worst variant.
"""

from __future__ import annotations

import time

from vertherm import RESEARCH_NOTICE
from vertherm.core.provenance import provenance
from vertherm.planning.monitor.advice import Advice, ScaleAdvice
from vertherm.planning.monitor.courses import Courses
from vertherm.planning.monitor.decision import decide
from vertherm.planning.monitor.thermocouple_log import PowerRecord, ThermocoupleLog
from vertherm.planning.monitor.update import PLACEMENT_MM, SCALE_SD, SENSOR_K, SHAPE_SHARE, Fit
from vertherm.planning.monitor.watch import INFORMS_MM, Watch
from vertherm.planning.state.state import State

ASSUMPTIONS = (
    f"[guess] sensor error {SENSOR_K:g} K, and {100 * SHAPE_SHARE:g} % of the rise for the shape of the curve",
    f"[guess] thermocouples lie within {PLACEMENT_MM:g} mm of where the plan has them (one standard deviation)",
    f"[guess] factor on temperature rises: log-normal around 1, {SCALE_SD:g} on the log scale",
    f"[guess] a thermocouple informs structures within {INFORMS_MM:g} mm",
)


def monitor(
    state: State, readings: ThermocoupleLog, now_s: float | None = None, *, power: PowerRecord | None = None
) -> Advice:
    """Compare readings with the plan and advise.

    Args:
        state: the planned case (``load_state``); its surrogates know the plan's thermocouples.
        readings: of its thermocouples.
        now_s: seconds since the first watt; None: the newest reading.
        power: what the generator gave up to now; None: as planned. What is still to come is always the plan's.

    Raises:
        InputError: an unknown thermocouple, readings from the future, no power given yet, or a start temperature that
            cannot be a patient's.
    """
    started = time.perf_counter()
    now = readings.last_s if now_s is None else now_s
    watch = Watch.of(state, readings.until(now), now, power)
    courses = Courses(watch)
    decision = decide(watch, courses)
    left = decision.switch_off_s
    return Advice(
        case=state.case.name,
        title=state.case.title,
        notice=RESEARCH_NOTICE,
        synthetic=state.case.anatomy.synthetic,
        now_s=now,
        planned_end_s=watch.end_s,
        action=decision.action,
        words=decision.words,
        reason=decision.reason,
        time_left_s=None if left is None else max(left - now, 0.0),
        switch_off_s=left,
        lower_to=decision.lower_to,
        binding=decision.binding,
        scale=_scale(watch.fit),
        structures=courses.rows(),
        targets=courses.targets(),
        sensors=watch.sensors(),
        delivered_kj=sum(segment.energy_j for segment in watch.delivered) / 1000.0,
        notes=[*courses.notes(), *watch.notes()],
        assumptions=list(ASSUMPTIONS),
        timings_s={"monitor": round(time.perf_counter() - started, 3)},
        provenance=provenance(state.case.inputs, {"readings": readings.source, "now_s": now}, {}),
    )


def _scale(found: Fit) -> ScaleAdvice:
    return ScaleAdvice(
        value=found.scale,
        low=found.low,
        high=found.high,
        supported=found.supported,
        chi2=found.chi2,
        counts=found.counts,
        p=found.p,
        explained=found.explained,
        effective_variants=found.effective,
    )
