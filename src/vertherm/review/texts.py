"""The words of a review: statements of the source, methods as they were run, limitations, provenance."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

import vertherm
from vertherm.clinical.vocabularies import STATEMENT_KIND
from vertherm.registry.schema.catalogue import SCHEMA_VERSION
from vertherm.review import flow
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.model import RESEARCH_NOTICE, Block, Section, Table, columns, numbered_points, points, row, text
from vertherm.review.options import ReviewOptions
from vertherm.review.statistics import methods
from vertherm.review.words import NONE, plural, whole

LIBRARIES = ("numpy", "scipy", "pandas", "matplotlib", "sqlalchemy")
CHECKED = frozenset(
    {
        "Clopper CJ, Pearson ES. Biometrika 1934;26:404-413",
        "Wilson EB. J Am Stat Assoc 1927;22:209-212",
        "Gray RJ. Ann Stat 1988;16:1141-1154",
        "Fine JP, Gray RJ. J Am Stat Assoc 1999;94:496-509",
    }
)
"""Citations whose details were looked up; all others were recalled."""


def statements(cohort: Cohort) -> Section:
    """What the source states, what it leaves open, what was assumed."""
    table = cohort.frames["series_statement"].sort_values("statement_no")
    source = cohort.row.get("source")
    blocks: list[Block] = [text(f"Source of the series: {source or 'not stated'}.")]
    if table.empty:
        blocks.append(
            text("The registry holds no statements about this series: nothing is known of what its source leaves open.")
        )
        return Section("statements-section", "What the source states, leaves open, and what was assumed", tuple(blocks))
    tally = table["kind"].value_counts()
    said = ", ".join(f"{STATEMENT_KIND.label(code)} {whole(int(tally.get(code, 0)))}" for code in STATEMENT_KIND.codes)
    blocks.append(text(f"{plural(len(table), 'statement')}: {said}."))
    letters = {str(name): place for place, name in enumerate(table["source"].dropna().unique(), start=1)}
    rows = tuple(
        row(
            str(item["statement_no"]), str(item["item"]), str(item["value"] or NONE),
            f"S{letters[str(item['source'])]}" if item["source"] else NONE,
            group=STATEMENT_KIND.label(code).capitalize(),
        )
        for code in STATEMENT_KIND.codes
        for item in table[table["kind"] == code].to_dict("records")
    )  # fmt: skip
    notes = tuple(f"S{place}: {name}." for name, place in letters.items())
    blocks.append(
        Table(
            "statements", "Statements about the series.", "statement",
            columns(("no", "no."), ("item", "item"), ("value", "value"), ("source", "source")), rows, notes,
        )
    )  # fmt: skip
    return Section("statements-section", "What the source states, leaves open, and what was assumed", tuple(blocks))


def methods_section(cohort: Cohort, run: Analyst) -> Section:
    """The methods paragraphs, made from what really ran."""
    used = methods.describe(run.ran)
    numbers = {citation: place for place, citation in enumerate(methods.references(run.ran), start=1)}
    sentences = []
    for method in used:
        marks = ",".join(str(numbers[citation]) for citation in method.citations)
        sentences.append(f"{method.sentence.rstrip('.')}{f' [{marks}]' if marks else ''}.")
    versions = methods.versions(run.ran)
    level = (
        f"Intervals are {run.options.percent} intervals; tests are two-sided. Seed {run.options.seed}. Computed with "
        f"{', '.join(f'{name} {number}' for name, number in versions.items())}, Python {platform.python_version()}."
    )
    blocks: list[Block] = [
        text(*_design(cohort), name="methods-design"),
        text(*sentences, level, name="methods-statistics"),
        text(
            "Units of analysis: pain, function, opioids and deaths by patient; procedures by procedure; treatment by "
            "lesion and procedure; complications by lesion, procedure and patient; local control by patient and by "
            "lesion, apart. Lesions are never tested as if they were independent patients."
        ),
    ]
    if run.refused:
        blocks.append(text("Not estimable in this series, at least in part:"))
        blocks.append(points(_refused(name, reasons) for name, reasons in sorted(run.refused.items())))
    blocks.append(
        text("References of the methods; those marked [R] were recalled and must be checked before they are quoted.")
    )
    blocks.append(numbered_points(f"{citation}{'' if citation in CHECKED else ' [R]'}" for citation in numbers))
    return Section("methods-section", "Methods", tuple(blocks))


def _refused(name: str, reasons: list[str]) -> str:
    shown = "; ".join(reasons[:3])
    return f"{name}: {shown}{f'; and {len(reasons) - 3} more reasons' if len(reasons) > 3 else ''}."


def _design(cohort: Cohort) -> list[str]:
    made_up = "The patients are synthetic. " if cohort.synthetic else ""
    windows = "; ".join(f"{window.label} ({flow.days(window)})" for window in cohort.windows)
    zero = "the first treatment of the lesion" if cohort.by_lesion else "the patient's first procedure"
    return [
        f"{made_up}Review of a cohort of one treated group, before against after, without controls: "
        f"{plural(len(cohort.treated), 'patient')} with {plural(len(cohort.treated_lesions), 'lesion')}.",
        f"Day 0 is the patient's first procedure for visits, and {zero} for what belongs to a lesion. Visits have "
        f"real dates and count for a time point by its window: {windows}. Of several visits in a window that "
        "have the value the one nearest its middle counts, before treatment the last.",
    ]


def limitations(cohort: Cohort, run: Analyst) -> Section:
    """What the review cannot show."""
    listed = [
        "One group before and after, no controls: the change includes the natural course, other treatments, and "
        "regression to the mean (patients are treated when pain is at its worst, so it falls without any effect). It "
        "is no estimate of the effect of treatment and supports no causal claim.",
        "Pain after treatment is that of patients alive and seen. If those who died or stayed away had more pain, the "
        "results are too good; the worst-rank analysis shows how much death alone could change.",
        "Retrospective data: what was not recorded is missing, and was rarely missing by chance. Missing values "
        "are counted in the tables and not filled in.",
        "Local control is judged in survivors who were imaged. Progression between scans is dated too late.",
        "Complications that were not recorded are not counted. With none observed, the upper limit of the interval "
        "is the finding.",
        "Several outcomes and subgroups were looked at; only the time points of each pain measure are adjusted for "
        "their number.",
    ]
    if cohort.synthetic:
        listed.insert(
            0, "The series is SYNTHETIC. Its numbers were chosen; it shows that the software works and nothing else."
        )
    open_ = cohort.frames["series_statement"]
    assumed = int((open_["kind"] == "assumption").sum())
    if assumed:
        listed.append(
            f"{plural(assumed, 'assumption')} stand in for what the source does not state; see [[statements]]."
        )
    if run.refused:
        listed.append("Some methods were not estimable because the numbers are too small; see [[methods-section]].")
    return Section("limitations-section", "Limitations", (points(listed, name="limitations"),))


def provenance(cohort: Cohort, options: ReviewOptions) -> dict[str, Any]:
    """Hashes, versions and options of the review."""
    created = options.created_utc or datetime.now(UTC).isoformat(timespec="seconds")
    found = {name: metadata.version(name) for name in LIBRARIES}
    counted = {name: len(frame) for name, frame in cohort.frames.items() if len(frame)}
    return {
        "created_utc": created,
        "series": cohort.series,
        "data_sha256": options.data_sha256 or f"frames:{frames_sha256(cohort.frames)}",
        "freeze": options.freeze or "none",
        "schema_version": SCHEMA_VERSION,
        "rows": counted,
        "versions": {"vertherm": vertherm.__version__, "python": platform.python_version(), **found},
        "options": asdict(options),
    }


def frames_sha256(frames: Mapping[str, pd.DataFrame]) -> str:
    """Hash of the content of all frames, whatever the order of their rows."""
    digest = hashlib.sha256()
    for name in sorted(frames):
        rows = pd.util.hash_pandas_object(frames[name], index=False).to_numpy()
        digest.update(f"{name} {len(rows)}\n".encode())
        digest.update(np.sort(rows).astype("<u8").tobytes())
    return digest.hexdigest()


def provenance_section(found: Mapping[str, Any]) -> Section:
    """Provenance as a table."""
    rows = []
    for key, value in found.items():
        items = value.items() if isinstance(value, Mapping) else [("", value)]
        for name, item in items:
            label = f"{key} › {name}" if name else key
            rows.append(row(label.replace("_", " "), str(item) if item != "" else NONE))
    notes = (
        "A hash that begins with 'frames:' was made from the tables as they were read; without it, it is the hash "
        "that the registry gives for a freeze.",
        RESEARCH_NOTICE,
    )
    table = Table(
        "provenance", "Provenance.", "review", columns(("what", "what"), ("value", "value")), tuple(rows), notes
    )
    return Section("provenance-section", "Provenance", (table,))
