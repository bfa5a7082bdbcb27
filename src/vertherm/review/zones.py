"""Treated zones of follow-up imaging: coverage, margin, what became of the lesions, and the record of each device."""

from __future__ import annotations

import pandas as pd

from vertherm.clinical.vocabularies import COVERAGE
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.control_data import LESION, PROGRESSION, after_treatment, lesion_times
from vertherm.review.devices import LEAST, Ratio, device_record, note
from vertherm.review.model import Block, Cell, Row, Section, Table, columns, row, text
from vertherm.review.statistics.summary import summarise
from vertherm.review.words import (
    NOT_ESTIMABLE,
    count_cell,
    fixed,
    interval_cell,
    median_cell,
    plural,
    range_cell,
    raw,
    share_cell,
    span,
    whole,
)

WITHOUT_ZONE, WITH_ZONE = "no confirmed zone", "all with a confirmed zone"
CLASSES = (
    "Covered with margin: the lower end of the 95 % band of the smallest margin reaches the margin aimed at. Covered: "
    "it reaches 0 mm. Not covered: it lies below, or a part of the lesion stayed outside. The class is the one that "
    "the reader confirmed.",
    "Smallest margin: the least distance from the lesion's surface to that of the treated zone, negative where the "
    "zone ends inside the lesion; where bone bounds it, the class can rest on the margin within the bone instead.",
)
RATIO_NOTES = (
    "Calibrated says that enough patients stand behind a ratio, not that it is near 1.",
    "Sources: Cochran, Sampling Techniques, 3rd ed. 1977, section 9 (ratio over clusters); Bland and Altman, Lancet "
    "1986;1:307-310 (limits of agreement).",
)


def section(cohort: Cohort, run: Analyst) -> Section:
    """Treated zones; one sentence where the series has none."""
    zones = first_zones(cohort)
    blocks: list[Block]
    if zones.empty:
        said = "Coverage and devices are not reported: no treated zone of a follow-up examination is recorded."
        blocks = [text(said, name="zones-none")]
    else:
        blocks = [_words(cohort, zones), _coverage(cohort, zones), *_devices(cohort, run)]
    return Section("zones-section", "Treated zones and devices", tuple(blocks))


def first_zones(cohort: Cohort) -> pd.DataFrame:
    """Treated lesions with a confirmed zone, each once, at its first examination with one; ``date`` is its date.

    Treated zones shrink: a later examination says less of what was treated.
    """
    scan = ["patient_key", "imaging_no"]
    zones = cohort.frames["treated_zone"].merge(cohort.frames["imaging"][[*scan, "date"]], on=scan)
    zones = zones.merge(cohort.treated_lesions[[*LESION, "first_treated"]], on=LESION)
    return zones.sort_values([*LESION, "date", "imaging_no"]).drop_duplicates(LESION).reset_index(drop=True)


def _words(cohort: Cohort, zones: pd.DataFrame) -> Block:
    days = summarise((zones["date"] - zones["first_treated"]).dt.days.to_numpy(float))
    kinds = zones["zone_source"].value_counts()
    how = ", ".join(f"{cohort.label('treated_zone', 'zone_source', code)} ({whole(n)})" for code, n in kinds.items())
    return text(
        f"A reader confirmed the treated zone of {whole(len(zones))} of "
        f"{plural(len(cohort.treated_lesions), 'treated lesion')} ({plural(zones['patient_key'].nunique(), 'patient')})"
        f", {median_cell(days, 0).text} days after the lesion's first treatment (median [IQR]; range "
        f"{range_cell(days, 0).text}). How the zone was found: {how}.",
        name="zones-found",
    )


def _coverage(cohort: Cohort, zones: pd.DataFrame) -> Table:
    found = after_treatment(cohort)
    table = lesion_times(cohort, found).table.merge(
        zones[[*LESION, "coverage", "date", "goal_mm", "margin_mm", "margin_low_mm", "margin_high_mm"]],
        on=LESION, how="left",
    )  # fmt: skip
    known = table[table["coverage"].notna()]
    rows = [_coverage_row(label, known[known["coverage"] == code], len(known))
            for code, label in COVERAGE.labels.items()]  # fmt: skip
    rows += [
        _coverage_row(WITH_ZONE, known, len(known)), _coverage_row(WITHOUT_ZONE, table[table["coverage"].isna()], 0)
    ]  # fmt: skip
    return Table(
        "coverage", "Coverage of the lesion by the treated zone, smallest margin, and locoregional progression.",
        "lesion",
        columns(
            ("coverage", "coverage"), ("lesions", "lesions, n (%)"), ("n", "with a margin, n"),
            ("margin", "smallest margin (mm), median [IQR]"), ("range", "its range (mm)"),
            ("low", "lower end of its 95 % band (mm), median [IQR]"),
            ("high", "upper end (mm), median [IQR]"),
            ("progressed", "progressed, of lesions judged"), ("never", "never judged, n"),
        ),
        tuple(rows), _coverage_notes(known, judged=bool(found["progression"].isin(("yes", "no")).any())),
    )  # fmt: skip


def _coverage_row(label: str, part: pd.DataFrame, total: int) -> Row:
    margin, low, high = (summarise(part[name].to_numpy(float))
                         for name in ("margin_mm", "margin_low_mm", "margin_high_mm"))  # fmt: skip
    judged, progressed = int(part["judged"].sum()), int((part["event"] == PROGRESSION).sum())
    return row(
        label, share_cell(len(part), total) if total else count_cell(len(part)), count_cell(margin.n),
        median_cell(margin), range_cell(margin), median_cell(low), median_cell(high),
        Cell(f"{whole(progressed)}/{whole(judged)}", {"progressed": progressed, "judged": judged}),
        count_cell(len(part) - judged),
    )  # fmt: skip


def _coverage_notes(known: pd.DataFrame, *, judged: bool) -> tuple[str, ...]:
    goals = known["goal_mm"].dropna().astype(float).value_counts().sort_index()
    aimed = ", ".join(f"{fixed(goal, 1)} mm ({plural(int(n), 'lesion')})" for goal, n in goals.items())
    zone_day = (known["date"] - known["day_zero"]).dt.days
    early = int(((known["event"] == PROGRESSION) & (known["seen"] <= zone_day)).sum())
    notes = [
        "Each treated lesion once, at its first examination with a confirmed zone. Lesions of one patient are alike.",
        *CLASSES,
        f"Margin aimed at: {aimed or 'not recorded'}. IQR: lower to upper quartile, by linear interpolation (type 7).",
    ]
    if not judged:
        return (*notes, "No lesion was judged for progression after its treatment.")
    notes.append(
        "Progression: seen by an evaluable examination after the treatment, at any time. Counts only: no class is "
        "tested against another, because lesions were followed for different times, death competes, and neither the "
        "zone nor the choice of the lesions was random. Times: [[incidence]]."
    )
    if early:
        notes.append(
            f"{plural(early, 'lesion')} with a zone progressed at or before the examination that shows the zone."
        )
    return tuple(notes)


def _devices(cohort: Cohort, run: Analyst) -> list[Block]:
    record = device_record(cohort.frames, level=run.options.level)
    if not record:
        said = "The record of the devices is not reported: no predicted volume or extent stands beside a treated one."
        return [text(said, name="devices-none")]
    rows = tuple(_device_row(line.quantity, line.ratio, f"{line.device}; {line.metric}") for line in record)
    table = Table(
        "devices", "Treated over predicted ablation zone by device and metric of the prediction.",
        "lesion with a treated and a predicted zone",
        columns(
            ("quantity", "quantity"), ("n", "lesions, n"), ("patients", "patients, n"),
            ("ratio", f"treated over predicted, geometric mean ({run.options.percent} CI)"),
            ("agreement", "limits of agreement"), ("calibrated", "calibrated"),
        ),
        rows, (note(run.options.level), *RATIO_NOTES),
    )  # fmt: skip
    return [table]


def _device_row(quantity: str, ratio: Ratio, group: str) -> Row:
    low, high = raw(ratio.agreement_low), raw(ratio.agreement_high)
    limits = NOT_ESTIMABLE if low is None else span(low, high, 2)
    said = "yes" if ratio.calibrated else f"not calibrated (fewer than {LEAST} patients)"
    return row(
        quantity, count_cell(ratio.n), count_cell(ratio.patients),
        interval_cell(ratio.mean, ratio.low, ratio.high, 2), Cell(limits, {"low": low, "high": high}),
        Cell(said, {"calibrated": ratio.calibrated}), group=group,
    )  # fmt: skip
