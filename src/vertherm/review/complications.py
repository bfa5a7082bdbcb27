"""Complications per lesion, procedure and patient; cement leakage per lesion and site."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vertherm.clinical.vocabularies import LEAK_SITE
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.local_control import cluster_cell
from vertherm.review.model import Block, Cell, Row, Section, Table, columns, row, text, warning
from vertherm.review.words import NONE, count_cell, plural, proportion_cells, whole

RELATED = ("definite", "probable", "possible")
MOST_LISTED = 60
GRADES = (
    ("cirse_grade", "cirse_version", "CIRSE grade"),
    ("sir_grade", "", "SIR class"),
    ("ctcae_grade", "ctcae_version", "CTCAE grade"),
)
LESION, PROCEDURE = ["patient_key", "lesion_no"], ["patient_key", "procedure_no"]


def section(cohort: Cohort, run: Analyst) -> Section:
    """Safety."""
    events = located(cohort)
    blocks: list[Block] = [_words(cohort, events), _rates(cohort, events, run)]
    if len(events):
        blocks += [_kinds(cohort, events, run), _listing(cohort, events)]
    blocks += _leakage(cohort, run)
    return Section("complications-section", "Complications and cement leakage", tuple(blocks))


def located(cohort: Cohort) -> pd.DataFrame:
    """Complications with the lesion they belong to (``lesion``) and how that is known (``known``).

    Recorded, or the only lesion of its procedure; NaN where neither says it. ``day``: onset after its own procedure,
    which need not be the patient's first. Sorted by what happened, so that no order of patients shows through.
    """
    events = cohort.frames["complication"].copy()
    treatments = cohort.frames["treatment"]
    by = treatments.groupby(PROCEDURE)["lesion_no"]
    only = by.first().where(by.size() == 1).rename("only").reset_index()
    events = events.merge(only, on=PROCEDURE, how="left")
    events["lesion"] = events["lesion_no"].fillna(events["only"])
    events["known"] = np.select(
        [events["lesion_no"].notna(), events["only"].notna()], ["recorded", "only lesion of the procedure"], "not known"
    )
    dates = cohort.frames["procedure"][[*PROCEDURE, "date"]]
    events["day"] = (events["onset"] - events[PROCEDURE].merge(dates, on=PROCEDURE, how="left")["date"]).dt.days
    return events.sort_values(["term", "structure", "day"], kind="stable").reset_index(drop=True)


def _words(cohort: Cohort, events: pd.DataFrame) -> Block:
    if events.empty:
        return warning(
            "No complication is recorded. That is not the same as none having happened: the upper limits below say how "
            "many would still be compatible with it."
        )
    terms = events["term"].value_counts()
    listed = ", ".join(f"{cohort.label('complication', 'term', code)} ({whole(n)})" for code, n in terms.items())
    return text(f"{plural(len(events), 'complication')} recorded: {listed}.")


def patients_with(events: pd.DataFrame) -> set[str]:
    """Patients with a complication."""
    return set(events["patient_key"])


def lesion_events(cohort: Cohort, events: pd.DataFrame) -> pd.DataFrame:
    """One row a treated lesion with ``event`` 1 where a complication belongs to it."""
    table = cohort.treated_lesions[[*LESION, "region", "primary_tumour"]].copy()
    known = events.dropna(subset=["lesion"])
    hit = pd.MultiIndex.from_arrays([known["patient_key"], known["lesion"].astype(np.int64)])
    table["event"] = pd.MultiIndex.from_frame(table[LESION]).isin(hit).astype(float)
    return table


def _rates(cohort: Cohort, events: pd.DataFrame, run: Analyst) -> Table:
    notes: list[str] = []
    rows: list[Row] = []
    related = events[events["attribution"].isin(RELATED)]
    for group, part in (("Any recorded complication", events), ("Definitely, probably or possibly related", related)):
        rows += _unit_rows(cohort, part, run, notes, group)
    notes += [
        f"Exact: Clopper-Pearson, {run.options.percent}. A unit counts once, however many complications it has. Exact "
        "intervals take units as independent; for lesions and procedures the cluster-robust one is shown where it can "
        "be estimated.",
    ]
    unknown = int((events["known"] == "not known").sum())
    derived = int((events["known"] == "only lesion of the procedure").sum())
    if derived:
        notes.append(
            f"{whole(derived)} without a recorded lesion belong to the only lesion treated in their procedure."
        )
    if unknown:
        notes.append(
            f"{whole(unknown)} belong to no single lesion and are in the rows of procedures and patients only; counted "
            f"each as one lesion more, at most {whole(int(_hit(cohort, events).sum()) + unknown)} of "
            f"{whole(len(cohort.treated_lesions))} lesions had one."
        )
    return Table(
        "complication-rates", "Complications per lesion, procedure and patient.",
        "lesion, procedure and patient, in separate rows",
        columns(
            ("unit", "unit"), ("events", "complications, n"), ("counts", "units with one"),
            ("exact", f"% (exact {run.options.percent} CI)"), ("wilson", "Wilson, %"), ("cluster", "cluster-robust, %"),
        ),
        tuple(rows), tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _hit(cohort: Cohort, events: pd.DataFrame) -> pd.Series[Any]:
    return lesion_events(cohort, events)["event"]


def _unit_rows(cohort: Cohort, events: pd.DataFrame, run: Analyst, notes: list[str], group: str) -> list[Row]:
    lesions = lesion_events(cohort, events)
    procedures = cohort.frames["procedure"]
    hit = pd.MultiIndex.from_frame(procedures[PROCEDURE]).isin(pd.MultiIndex.from_frame(events[PROCEDURE]))
    located_events = int(events["lesion"].notna().sum())
    return [
        _rate("lesion", located_events, lesions["event"], lesions["patient_key"], run, notes, group),
        _rate("procedure", len(events), pd.Series(hit.astype(float)), procedures["patient_key"], run, notes, group),
        _rate(
            "patient", len(events), pd.Series(cohort.treated.index.isin(patients_with(events)).astype(float)), None,
            run, notes, group,
        ),
    ]  # fmt: skip


def _rate(
    name: str, n: int, event: pd.Series[Any], cluster: pd.Series[Any] | None, run: Analyst, notes: list[str],
    group: str,
) -> Row:  # fmt: skip
    counts, exact, wilson = proportion_cells(run.proportion(int(event.sum()), len(event)))
    robust = Cell(NONE)
    if cluster is not None and len(event):
        robust = cluster_cell(run.clustered(event, cluster), notes)
    return row(name, count_cell(n), counts, exact, wilson, robust, group=group)


def _kinds(cohort: Cohort, events: pd.DataFrame, run: Analyst) -> Table:
    total = len(cohort.treated)
    rows = [_kind(cohort.label("complication", "term", code), part, total, run, "Term")
            for code, part in events.groupby("term", sort=True)]  # fmt: skip
    for column, version, label in GRADES:
        rows += _graded(cohort, events, column, version, label, run)
    for column, label in (("attribution", "Attribution"), ("outcome", "Outcome"), ("site", "Site")):
        rows += [_kind(cohort.label("complication", column, code), part, total, run, label)
                 for code, part in events.groupby(column, sort=True)]  # fmt: skip
    return Table(
        "complication-kinds", "Complications by term, grade, attribution, outcome and site.",
        "complication; the percentage is of patients",
        columns(
            ("kind", "kind"), ("n", "complications, n"), ("patients", "patients"),
            ("exact", f"% of patients (exact {run.options.percent} CI)"),
        ),
        tuple(rows),
        ("Grades are shown on every scale that was recorded; none is translated into another. CIRSE 2026 is not used: "
         "its wording is not available. SIR labels were read in part.",),
    )  # fmt: skip


def _kind(label: str, part: pd.DataFrame, total: int, run: Analyst, group: str) -> Row:
    found = run.proportion(part["patient_key"].nunique(), total)
    counts, exact, _ = proportion_cells(found)
    return row(label, count_cell(len(part)), counts, exact, group=group)


def _graded(cohort: Cohort, events: pd.DataFrame, column: str, version: str, label: str, run: Analyst) -> list[Row]:
    total, rows = len(cohort.treated), []
    parts = [(label, events)] if not version else [
        (cohort.label("complication", version, code), part) for code, part in events.groupby(version, sort=True)
    ]  # fmt: skip
    for name, part in parts:
        rows += [_kind(cohort.label("complication", column, code), graded, total, run, name)
                 for code, graded in part.groupby(column, sort=True)]  # fmt: skip
    lost = events[events[column].isna()]
    if len(lost):
        rows.append(_kind("not graded", lost, total, run, label if not rows else rows[-1].group))
    return rows


def _listing(cohort: Cohort, events: pd.DataFrame) -> Block:
    if len(events) > MOST_LISTED:
        return text(
            f"{plural(len(events), 'complication')} are too many to list one by one here; the registry holds them."
        )
    rows = tuple(_listed(cohort, item) for item in _with_level(cohort, events).to_dict("records"))
    return Table(
        "complication-list", "Every complication.", "complication",
        columns(
            ("term", "term"), ("structure", "structure"), ("level", "level of the lesion"),
            ("day", "onset, days after its procedure"),
            ("grade", "grade"), ("attribution", "attribution"), ("outcome", "outcome"),
        ),
        rows, ("Patients are not named: the list has no keys.",),
    )  # fmt: skip


def _with_level(cohort: Cohort, events: pd.DataFrame) -> pd.DataFrame:
    levels = cohort.lesions[[*LESION, "level"]].rename(columns={"lesion_no": "lesion"})
    return events.merge(levels.astype({"lesion": float}), on=["patient_key", "lesion"], how="left")


def _listed(cohort: Cohort, item: Mapping[Hashable, Any]) -> Row:
    grades = [f"{name} {item[column]}" for column, _, name in GRADES if item[column] is not None]
    day = None if pd.isna(item["day"]) else int(item["day"])
    return row(
        cohort.label("complication", "term", item["term"]), item["structure"] or NONE,
        "not known" if pd.isna(item["level"]) else str(item["level"]), Cell(whole(day), {"day": day}),
        "; ".join(grades) or "not graded", cohort.label("complication", "attribution", item["attribution"]),
        cohort.label("complication", "outcome", item["outcome"]),
    )  # fmt: skip


def leaks(cohort: Cohort) -> pd.DataFrame:
    """One row a lesion that received cement: ``event`` 1 leak, 0 none, NaN not known, over all its treatments."""
    cemented = cohort.frames["treatment"][cohort.frames["treatment"]["cement"] == "yes"]
    # Cemented twice, once without a leak and once unknown: not known, so unknown ranks between no and yes.
    answer = cemented["cement_leakage"].map({"yes": 1.0, "no": 0.0}).astype(float).fillna(0.5)
    table = cemented.assign(event=answer).groupby(LESION)["event"].max().replace(0.5, np.nan).reset_index()
    sites = pd.MultiIndex.from_frame(cohort.frames["cement_leak"][LESION])
    # A recorded site is a leak, whatever the treatment's own answer.
    table.loc[pd.MultiIndex.from_frame(table[LESION]).isin(sites), "event"] = 1.0
    return table.merge(cohort.lesions[[*LESION, "region", "primary_tumour"]], on=LESION)


def _leakage(cohort: Cohort, run: Analyst) -> list[Block]:
    table = leaks(cohort)
    if table.empty:
        return [text("No lesion received cement, so there is no leakage to report.", name="leak-none")]
    known = table[table["event"].notna()]
    if known.empty:
        said = f"Cement leakage is not reported: of {plural(len(table), 'lesion')} with cement none has an answer."
        return [text(said, name="leak-none")]
    notes: list[str] = [
        f"Lesions with cement {whole(len(table))}; leakage known in {whole(len(known))}, not known in "
        f"{whole(len(table) - len(known))}. A lesion can leak to several sites; the percentages are of lesions with a "
        "known answer."
    ]
    rows = [_leak_row("any site", known, run, notes, "Any leak")]
    sites = cohort.frames["cement_leak"]
    for code in (code for code in LEAK_SITE.codes if (sites["site"] == code).any()):
        rows.append(_site_row(LEAK_SITE.label(code), known, sites[sites["site"] == code], run, notes, "Site"))
    symptomatic = sites[sites["symptomatic"] == "yes"]
    rows.append(_site_row("symptomatic, any site", known, symptomatic, run, notes, "Symptoms"))
    named = int(_at_sites(known, sites).sum())
    notes.append(
        f"{plural(int(known['event'].sum()), 'lesion')} leaked, {whole(named)} of them with a recorded site; "
        "one without counts at no site."
    )
    unsure = int((_at_sites(known, sites[sites["symptomatic"] == "unknown"]) & ~_at_sites(known, symptomatic)).sum())
    if unsure:
        notes.append(f"Symptoms: not known for a leak of {plural(unsure, 'more lesion')}; counted as without.")
    return [
        Table(
            "leakage", "Cement leakage.", "lesion with cement",
            columns(
                ("site", "leak to"), ("counts", "lesions"), ("exact", f"% (exact {run.options.percent} CI)"),
                ("wilson", "Wilson, %"), ("cluster", "cluster-robust, %"),
            ),
            tuple(rows), tuple(dict.fromkeys(notes)),
        )
    ]  # fmt: skip


def _site_row(label: str, known: pd.DataFrame, sites: pd.DataFrame, run: Analyst, notes: list[str], group: str) -> Row:
    return _leak_row(label, known.assign(event=_at_sites(known, sites).astype(float)), run, notes, group)


def _at_sites(known: pd.DataFrame, sites: pd.DataFrame) -> NDArray[np.bool_]:
    """Which of the lesions are among those of the leaks."""
    return np.asarray(pd.MultiIndex.from_frame(known[LESION]).isin(pd.MultiIndex.from_frame(sites[LESION])))


def _leak_row(label: str, known: pd.DataFrame, run: Analyst, notes: list[str], group: str) -> Row:
    counts, exact, wilson = proportion_cells(run.proportion(int(known["event"].sum()), len(known)))
    robust = run.clustered(known["event"], known["patient_key"])
    return row(label, counts, exact, wilson, cluster_cell(robust, notes), group=group)
