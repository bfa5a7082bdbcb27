"""Outcomes by region, primary tumour and prior radiotherapy, with a warning where numbers are small."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vertherm.clinical import pain_response
from vertherm.registry.schema.catalogue import BY_NAME
from vertherm.review import complications
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import SEVERAL, Cohort
from vertherm.review.control_data import after_treatment, judged, lesion_table
from vertherm.review.figures import forest
from vertherm.review.model import Block, Cell, Row, Section, Table, columns, row, text, warning
from vertherm.review.statistics.summary import summarise
from vertherm.review.words import count_cell, interval_cell, median_cell, proportion_cells, whole

SMALL = " †"
UNTREATED = "untreated"
NAMES = {SEVERAL: "several regions", UNTREATED: "no lesion treated"}


def section(cohort: Cohort, run: Analyst) -> Section:
    """Subgroups by patient and by lesion."""
    blocks: list[Block] = [
        warning(
            f"Subgroups were not randomised, many are small (†: fewer than {run.options.small_group}), and nothing "
            "here was tested. Differences between them may be chance; read the intervals, not the estimates."
        )
    ]
    if cohort.later and cohort.baseline is not None:
        table, lines = _patients(cohort, run)
        blocks.append(table)
        if run.options.figures and any(line.n for line in lines):
            blocks.append(forest.draw(cohort, lines, cohort.later[-1].label, run.options.percent))
    else:
        blocks.append(text("Change by subgroup is not estimable: a time point before or after treatment is lacking."))
    if len(cohort.treated_lesions) and cohort.later:
        blocks.append(_lesions(cohort, run))
    return Section("subgroups-section", "Subgroups", tuple(blocks))


def groupings(cohort: Cohort) -> list[tuple[str, list[tuple[str, np.ndarray]]]]:
    """Heading, then label and members (of the treated patients) of every subgroup that has any."""
    treated = cohort.treated
    found: list[tuple[str, list[tuple[str, np.ndarray]]]] = [
        ("All", [("all treated patients", np.ones(len(treated), bool))])
    ]
    for heading, entity, column in (
        ("Region of the treated lesions", "lesion", "region"),
        ("Primary tumour", "patient", "primary_tumour"),
        ("Radiotherapy of the spine before", "patient", "prior_radiotherapy"),
    ):
        codes = treated[column]
        order = [*_order(entity, column), SEVERAL, UNTREATED]
        if column == "region":
            codes = codes.fillna(UNTREATED)
        present = [code for code in order if (codes == code).any()]
        found.append(
            (heading, [(_label(cohort, entity, column, code), (codes == code).to_numpy()) for code in present])
        )
    return found


def _order(entity: str, column: str) -> tuple[str, ...]:
    vocabulary = BY_NAME[entity].by_name[column].vocabulary
    return vocabulary.codes if vocabulary else ()


def _label(cohort: Cohort, entity: str, column: str, code: str) -> str:
    return NAMES.get(code) or cohort.label(entity, column, code)


def _patients(cohort: Cohort, run: Analyst) -> tuple[Table, list[forest.Line]]:
    assert cohort.baseline is not None
    window, vas = cohort.later[-1], cohort.measure("vas")
    before, after = vas[cohort.baseline.name].to_numpy(), vas[window.name].to_numpy()
    answer = pain_response.fell_by_points(before, after, run.options.mcid_points)
    dead = (cohort.treated["death_day"] <= run.options.death_days).to_numpy()
    hit = cohort.treated.index.isin(complications.patients_with(complications.located(cohort)))
    rows: list[Row] = []
    lines: list[forest.Line] = []
    for heading, groups in groupings(cohort):
        for label, member in groups:
            pairs, hl = run.size_of_change(before[member], after[member])
            n, least = int(member.sum()), run.options.small_group
            small = min(n, pairs) < least
            known = answer[member][~np.isnan(answer[member])]
            rows.append(
                row(
                    label + (SMALL if small else ""), count_cell(n), count_cell(pairs),
                    _with_n(before[member]), _with_n(after[member]), interval_cell(hl.estimate, hl.low, hl.high),
                    *_share(run, known.sum(), known.size), *_share(run, dead[member].sum(), n),
                    *_share(run, hit[member].sum(), n), group=heading,
                )
            )  # fmt: skip
            lines.append(forest.Line(heading, label, pairs, hl.estimate, hl.low, hl.high, small))
    return _patient_table(rows, window.label, run), lines


def _patient_table(rows: list[Row], when: str, run: Analyst) -> Table:
    percent, options = run.options.percent, run.options
    return Table(
        "subgroups", f"Pain, deaths and complications by subgroup; change from before treatment to {when}.", "patient",
        columns(
            ("subgroup", "subgroup"), ("n", "patients, n"), ("pairs", "pairs, n"),
            ("before", "VAS before, median [IQR]; n"),
            ("after", f"VAS at {when}, median [IQR]; n"), ("change", f"Hodges-Lehmann change ({percent} CI)"),
            ("responders", f"responders (≥ {options.mcid_points:g} points)"),
            ("dead", f"dead by day {options.death_days}"), ("complications", "with a complication"),
        ),
        tuple(rows),
        (
            f"Counts with % (exact {percent} CI). † fewer than {options.small_group} patients or pairs.",
            "Before and after: all patients of the row with that value. Change and responders: those with both.",
            "A patient with treated lesions in several regions is in that row alone, so that nobody is counted twice.",
        ),
        wide=True,
    )  # fmt: skip


def _with_n(values: np.ndarray) -> Cell:
    """Median [IQR] and the number of values."""
    found = summarise(values)
    cell = median_cell(found)
    return Cell(f"{cell.text}; {whole(found.n)}", {**cell.values, "n": found.n})


def _share(run: Analyst, events: float, n: float) -> list[Cell]:
    """k/n with percentage and exact interval, in one cell."""
    counts, exact, _ = proportion_cells(run.proportion(int(events), int(n)))
    return [Cell(f"{counts.text}: {exact.text}", {**counts.values, **exact.values})]


def _lesions(cohort: Cohort, run: Analyst) -> Table:
    window = cohort.later[-1]
    control = lesion_table(cohort, after_treatment(cohort), window)
    table = _with_events(cohort, control)
    prior = cohort.patients["prior_radiotherapy"]
    table["prior_radiotherapy"] = table["patient_key"].map(prior)
    rows: list[Row] = []
    for heading, entity, column in (
        ("Region", "lesion", "region"),
        ("Primary tumour", "patient", "primary_tumour"),
        ("Radiotherapy of the patient's spine before", "patient", "prior_radiotherapy"),
    ):
        for code in _order(entity, column):
            part = table[table[column] == code]
            if part.empty:
                continue
            least = min(len(part), part["patient_key"].nunique(), len(judged(part)))
            label = cohort.label(entity, column, code) + (SMALL if least < run.options.small_group else "")
            rows.append(_lesion_row(label, part, heading, run))
    return Table(
        "subgroups-lesions", f"Local control at {window.label}, complications and cement leakage by subgroup.",
        "lesion",
        columns(
            ("subgroup", "subgroup"), ("n", "lesions, n"), ("patients", "patients, n"),
            ("control", "free of progression / evaluable"), ("complications", "with a complication"),
            ("leaks", "with a cement leak / known"),
        ),
        tuple(rows),
        (
            f"Counts with % (exact {run.options.percent} CI, which takes lesions as independent; too narrow where "
            f"lesions of a patient are alike). † fewer than {run.options.small_group} lesions, patients, or evaluable "
            "lesions.",
        ),
    )  # fmt: skip


def _lesion_row(label: str, part: pd.DataFrame, heading: str, run: Analyst) -> Row:
    known = judged(part)
    leaked = part["leak"].dropna()
    return row(
        label, count_cell(len(part)), count_cell(part["patient_key"].nunique()),
        *_share(run, (known["progressed"] == 0).sum(), len(known)), *_share(run, part["event"].sum(), len(part)),
        *_share(run, leaked.sum(), len(leaked)), group=heading,
    )  # fmt: skip


def _with_events(cohort: Cohort, control: pd.DataFrame) -> pd.DataFrame:
    keys = ["patient_key", "lesion_no"]
    events = complications.lesion_events(cohort, complications.located(cohort))[[*keys, "event"]]
    leaks = complications.leaks(cohort)[[*keys, "event"]].rename(columns={"event": "leak"})
    return control.merge(events, on=keys, how="left").merge(leaks, on=keys, how="left")
