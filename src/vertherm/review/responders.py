"""Who responded: by points, by share, and by the consensus that reads opioids too; with and without the dead."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.clinical import pain_response
from vertherm.registry.windows import Window
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.model import Block, Row, Section, Table, columns, row, text
from vertherm.review.words import count_cell, plural, proportion_cells

Numbers = NDArray[np.float64]
RESPONSES = ("complete", "partial")


def section(cohort: Cohort, run: Analyst) -> Section:
    """Responders at each later time point."""
    base = cohort.baseline
    vas = cohort.measure("vas")
    if base is None or not vas[base.name].notna().any() or not cohort.later:
        said = text("Responders are not estimable: no patient has a VAS before treatment and a later time point.")
        return Section("responders-section", "Responders", (said,))
    blocks: list[Block] = [
        text(
            f"A response is a fall of the VAS by at least {run.options.mcid_points:g} points; by 30 %; by 50 %; by the "
            "score alone; or by the international consensus, which reads opioids too.",
            "Consensus as computed here (recalled from Chow et al. 2012, not read again): "
            f"{pain_response.CONSENSUS_RULE}.",
            "Responders are counted among patients alive with a known answer; beside it, the dead count as "
            "non-responders.",
            name="definitions",
        ),
        _table(cohort, base, run),
        _consensus(cohort, base, run),
    ]
    return Section("responders-section", "Responders", tuple(blocks))


def definitions(points: float) -> list[tuple[str, Any]]:
    """Label and rule of every definition that needs the scores alone."""
    return [
        (f"VAS fell by {points:g} points or more", lambda a, b: pain_response.fell_by_points(a, b, points)),
        ("VAS fell by 30 % or more", lambda a, b: pain_response.fell_by_share(a, b, 0.3)),
        ("VAS fell by 50 % or more", lambda a, b: pain_response.fell_by_share(a, b, 0.5)),
        ("by the score alone (0, or 2 points, or half)", pain_response.by_score),
    ]


def dead(cohort: Cohort, window: Window) -> NDArray[np.bool_]:
    """Treated patients who died before the window ended and have no VAS in it."""
    died = cohort.treated["death_day"].to_numpy(float) <= window.last_day
    return np.asarray(died & cohort.measure("vas")[window.name].isna().to_numpy())


def answers(cohort: Cohort, base: Window, window: Window, points: float) -> list[tuple[str, Numbers]]:
    """Every definition's answer for the treated patients: 1, 0, NaN for not known."""
    vas, dose = cohort.measure("vas"), cohort.measure("omeq_mg_day")
    a, b = vas[base.name].to_numpy(), vas[window.name].to_numpy()
    found = [(label, rule(a, b)) for label, rule in definitions(points)]
    x, y = dose[base.name].to_numpy(), dose[window.name].to_numpy()
    found.append(("score and opioids together (integrated)", pain_response.integrated(a, b, x, y)))
    codes = pain_response.consensus(a, b, x, y)
    agreed = np.where(codes == "not_evaluable", np.nan, np.isin(codes, RESPONSES).astype(float))
    found.append(("consensus 2012 (complete or partial)", agreed))
    return found


def _notes(cohort: Cohort, base: Window, run: Analyst) -> list[str]:
    """What a reader of the proportions must know."""
    notes = [
        "Alive, answer not known: no VAS (or no opioid dose, where the rule needs it) before or at the time point, "
        "or no pain before (for shares and for the score alone). They are in no proportion; nothing is imputed or "
        "carried forward.",
        "Dead: died before the end of the time point without a VAS in it, whether or not there was a value before.",
        "A response without a control group may be the natural course, other treatment, or regression to the mean.",
    ]
    low = int((cohort.measure("vas")[base.name] < run.options.mcid_points).sum())
    if low:
        notes.append(
            f"{plural(low, 'patient')} had a VAS below {run.options.mcid_points:g} before and cannot fall by so much; "
            "by that rule they are non-responders."
        )
    return notes


def _table(cohort: Cohort, base: Window, run: Analyst) -> Block:
    rows: list[Row] = []
    notes = _notes(cohort, base, run)
    unknown: dict[str, list[str]] = {}
    for window in cohort.later:
        died = dead(cohort, window)
        for label, answer in answers(cohort, base, window, run.options.mcid_points):
            found = run.responders(answer, died)
            if not found.observed.n:
                unknown.setdefault(label, []).append(window.label)
                continue
            counts, exact, _ = proportion_cells(found.observed)
            with_counts, with_exact, _ = proportion_cells(found.with_deaths)
            rows.append(
                row(
                    label, counts, exact, count_cell(found.missing), count_cell(found.deaths), with_counts,
                    with_exact, group=window.label,
                )
            )  # fmt: skip
    notes += [
        f"{label}: not estimable at {', '.join(when)}, because no patient alive has a known answer."
        for label, when in unknown.items()
    ]
    percent = run.options.percent
    if not rows:
        return text("Responders are not estimable at any time point: no patient alive has a known answer.")
    return Table(
        "responders", "Responders.", "patient",
        columns(
            ("rule", "response"), ("counts", "responders / known"), ("exact", f"% (exact {percent} CI)"),
            ("missing", "alive, not known, n"), ("deaths", "dead, n"),
            ("with_deaths", "with the dead as non-responders"), ("with_deaths_exact", f"% (exact {percent} CI)"),
        ),
        tuple(rows), tuple(notes),
    )  # fmt: skip


def _consensus(cohort: Cohort, base: Window, run: Analyst) -> Block:
    vas, dose = cohort.measure("vas"), cohort.measure("omeq_mg_day")
    rows: list[Row] = []
    for window in cohort.later:
        codes = pain_response.consensus(
            vas[base.name].to_numpy(),
            vas[window.name].to_numpy(),
            dose[base.name].to_numpy(),
            dose[window.name].to_numpy(),
        )
        living = codes[~dead(cohort, window)]
        known = int((living != "not_evaluable").sum())
        for code in pain_response.CONSENSUS.codes:
            n = int((living == code).sum())
            cells = proportion_cells(run.proportion(n, known))[:2] if code != "not_evaluable" else (count_cell(n), "–")
            rows.append(row(pain_response.CONSENSUS.label(code), *cells, group=window.label))
    if not dose.notna().any(axis=None):
        return text(
            "The consensus and the integrated response are not estimable: no visit holds an opioid dose "
            f"({plural(len(cohort.treated), 'patient')}).",
            name="consensus",
        )
    return Table(
        "consensus", "Pain response by the international consensus.", "patient alive at the time point",
        columns(("response", "response"), ("counts", "patients"), ("exact", f"% (exact {run.options.percent} CI)")),
        tuple(rows), (f"Rule, recalled and not read again: {pain_response.CONSENSUS_RULE}.",),
    )  # fmt: skip
