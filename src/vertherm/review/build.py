"""Builds the review of a series from the tables of the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vertherm.core.progress import Progress, silent
from vertherm.review import (
    abstract,
    complications,
    flow,
    local_control,
    missing,
    models,
    neurology,
    pain,
    procedures,
    responders,
    strobe,
    subgroups,
    table_one,
    texts,
    zones,
)
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort, Frames, cohort
from vertherm.review.control_data import after_treatment
from vertherm.review.figures import swimmer
from vertherm.review.model import Review, Section, names, numbered
from vertherm.review.options import ReviewOptions


def build_review(
    frames: Frames, series: str, options: ReviewOptions | None = None, *, progress: Progress = silent
) -> Review:
    """The review of one series.

    Args:
        frames: tables of the registry by entity, columns as in the catalogue; other series in them are left out.
        series: key of the series.
        options: choices, the defaults where None.
        progress: told how far the work is.

    Returns:
        The review with sections, tables and figures numbered.

    Raises:
        InputError: there is no such series, or it has no patients.

    Source: reporting after STROBE (cohort studies); methods cited in the review itself.
    """
    run = Analyst(options or ReviewOptions())
    progress("review: reading", 0.0)
    series_ = cohort(frames, series)
    sections = _sections(series_, run, progress)
    sections.append(texts.methods_section(series_, run))
    sections.append(texts.limitations(series_, run))
    found = texts.provenance(series_, run.options)
    sections.append(texts.statements(series_))
    sections.append(strobe.section(series_, names(sections)))
    sections.append(texts.provenance_section(found))
    progress("review: building", 1.0)
    return Review(
        series=series,
        title=series_.title,
        synthetic=series_.synthetic,
        sections=numbered(sections),
        provenance=found,
    )


def _sections(series: Cohort, run: Analyst, progress: Progress) -> list[Section]:
    """The sections that compute, in reading order."""
    steps: list[Callable[[], Section]] = [
        lambda: abstract.section(series, run),
        lambda: flow.section(series, run),
        lambda: table_one.section(series),
        lambda: procedures.section(series),
        lambda: pain.section(series, run),
        lambda: responders.section(series, run),
        lambda: models.section(series, run),
        lambda: missing.section(series, run),
        lambda: local_control.section(series, run),
        lambda: zones.section(series, run),
        lambda: complications.section(series, run),
        lambda: neurology.section(series, run),
        lambda: subgroups.section(series, run),
    ]
    sections = []
    for place, step in enumerate(steps):
        progress("review: building", place / len(steps))
        sections.append(step())
    if run.options.figures:
        sections[1] = _with_swimmer(sections[1], series, run)
    return sections


def _with_swimmer(section: Section, series: Cohort, run: Analyst) -> Section:
    if not len(series.treated):
        return section
    found = after_treatment(series)
    shown = found[found["progression"] == "yes"]
    first = (shown["date"] - shown["patient_key"].map(series.patients["day_zero"])).dt.days
    day = first.groupby(shown["patient_key"]).min().rename("day").reset_index()
    return replace(section, blocks=(*section.blocks, swimmer.draw(series, run, day)))
