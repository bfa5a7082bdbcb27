"""What was done: per procedure, and per lesion treated."""

from __future__ import annotations

import pandas as pd

from vertherm.review.cohort import Cohort
from vertherm.review.describe import COUNT_COLUMNS, NUMBER_COLUMNS, QUARTILE_NOTE, UNKNOWN_NOTE, counts, numbers
from vertherm.review.model import Block, Row, Section, Table, columns, row, text
from vertherm.review.statistics.summary import summarise
from vertherm.review.words import clock, count_cell, fixed, plural

PER_PROCEDURE = (
    ("anaesthesia", "Anaesthesia"),
    ("guidance", "Guidance"),
    ("position", "Position"),
    ("technical_success", "Technical success"),
)
PER_TREATMENT = (
    ("intent", "First or repeat treatment", ""),
    ("ablation", "Ablated", ""),
    ("approach", "Approach", ""),
    ("energy_kind", "Which energy is recorded", "ablation"),
    ("cement", "Cement injected", ""),
    ("cement_type", "Cement", "cement"),
    ("technical_success", "Technical success", ""),
)
"""Field, label, and the answer that must not be "no" for the field to apply."""
NUMBERS = (
    ("ablation_time_s", "Ablation time (s)", 0, "ablation"),
    ("cycles", "Cycles", 0, "ablation"),
    ("needles", "Antennas", 0, "ablation"),
    ("frequency_mhz", "Frequency (MHz)", 0, "ablation"),
    ("peak_temperature_c", "Highest temperature in the lesion (°C)", 1, "ablation"),
    ("cement_volume_ml", "Cement volume (mL)", 1, "cement"),
)
APPLIES_NOTE = (
    "Time, energy and antennas: of treatments with ablation; cement: of treatments with cement. Where it was not done, "
    "nothing is missing."
)


def section(cohort: Cohort) -> Section:
    """How the lesions were treated."""
    procedures, treatments = cohort.frames["procedure"], cohort.frames["treatment"]
    blocks: list[Block] = [
        text(
            f"{plural(len(procedures), 'procedure')} (one session with one anaesthesia each) with "
            f"{plural(len(treatments), 'treatment')} of a lesion. A lesion treated in two procedures counts twice "
            "among the treatments and once among the lesions."
        )
    ]
    if len(treatments):
        blocks += [_numbers(cohort, treatments), _treatment_counts(cohort, treatments)]
    if len(procedures):
        blocks += [_procedure_counts(cohort, procedures), _procedure_numbers(cohort, procedures)]
        protection = _protection(cohort)
        blocks += [protection] if protection else []
    return Section("procedures", "Procedures", tuple(blocks))


def _numbers(cohort: Cohort, treatments: pd.DataFrame) -> Table:
    rows: list[Row] = []
    for name, label, digits, needs in NUMBERS:
        rows.append(numbers(label, _done(treatments, needs)[name], digits))
        if name == "ablation_time_s":
            rows += _energies(cohort, _done(treatments, "ablation"))
    time = summarise(treatments["ablation_time_s"].to_numpy(float))
    notes = [QUARTILE_NOTE, APPLIES_NOTE]
    if time.n:
        notes.append(f"Median ablation time {clock(time.median)} (SD {fixed(time.sd)} s, n = {time.n}).")
    notes.append("Energies of different kinds (forward, net, absorbed) are never mixed: each has its own row.")
    return Table(
        "treatment", "Energy, time and cement.", "treatment of one lesion in one procedure", NUMBER_COLUMNS,
        tuple(rows), tuple(notes),
    )  # fmt: skip


def _done(treatments: pd.DataFrame, needs: str) -> pd.DataFrame:
    """The treatments to which a field applies: all but those in which ``needs`` was not done."""
    return treatments[treatments[needs] != "no"] if needs else treatments


def _energies(cohort: Cohort, treatments: pd.DataFrame) -> list[Row]:
    known = treatments[treatments["energy_kj"].notna()]
    if known.empty:
        return [numbers("Energy (kJ)", treatments["energy_kj"])]
    rows = []
    for kind, part in known.groupby("energy_kind", sort=True):
        label = f"Energy (kJ), kind: {cohort.label('treatment', 'energy_kind', kind)}"
        # Missing is said once, for all kinds together: a treatment has at most one of them.
        rows.append(numbers(label, part["energy_kj"]))
    missing = len(treatments) - len(known)
    first = rows[0]
    return [Row((*first.cells[:2], count_cell(missing), *first.cells[3:]), first.group), *rows[1:]]


def _treatment_counts(cohort: Cohort, treatments: pd.DataFrame) -> Table:
    rows: list[Row] = []
    for column, label, needs in PER_TREATMENT:
        rows += counts(cohort, "treatment", column, _done(treatments, needs)[column], label)
    return Table(
        "treatment-kinds", "Treatments of lesions.", "treatment of one lesion in one procedure", COUNT_COLUMNS,
        tuple(rows), (UNKNOWN_NOTE, APPLIES_NOTE),
    )  # fmt: skip


def _procedure_counts(cohort: Cohort, procedures: pd.DataFrame) -> Table:
    rows: list[Row] = []
    for column, label in PER_PROCEDURE:
        rows += counts(cohort, "procedure", column, procedures[column], label)
    return Table("procedure-kinds", "Procedures.", "procedure", COUNT_COLUMNS, tuple(rows), (UNKNOWN_NOTE,))


def _procedure_numbers(cohort: Cohort, procedures: pd.DataFrame) -> Table:
    keys = ["patient_key", "procedure_no"]
    many = cohort.frames["treatment"].groupby(keys).size()
    lesions = many.reindex(pd.MultiIndex.from_frame(procedures[keys]), fill_value=0).reset_index(drop=True)
    stay = (procedures["discharge"] - procedures["date"]).dt.days
    rows = (
        numbers("Lesions treated in one procedure", lesions, 0),
        numbers("Nights in hospital", stay, 0),
        numbers("CT dose-length product (mGy cm)", procedures["ct_dlp_mgycm"], 0),
        numbers("CTDIvol (mGy)", procedures["ct_ctdivol_mgy"], 1),
    )
    return Table("procedure", "Procedures: size, stay and dose.", "procedure", NUMBER_COLUMNS, rows, (QUARTILE_NOTE,))


def _protection(cohort: Cohort) -> Table | None:
    used = cohort.frames["protection"]
    if used.empty:
        return None
    rows = []
    for kind, part in used.groupby("kind", sort=True):
        touched = part[["patient_key", "procedure_no"]].drop_duplicates()
        rows.append(row(cohort.label("protection", "kind", kind), count_cell(len(touched)), count_cell(len(part))))
    return Table(
        "protection", f"Thermoprotection in {plural(len(cohort.frames['procedure']), 'procedure')}.", "procedure",
        columns(("kind", "measure"), ("procedures", "procedures, n"), ("measures", "measures, n")), tuple(rows),
        ("A procedure can have several measures. Procedures without a row may have had none, or none recorded.",),
    )  # fmt: skip
