"""Follow-up imaging with the response of every lesion, and later events."""

from __future__ import annotations

import numpy as np

from vertherm.registry.records import Records
from vertherm.registry.synthetic.columns import Indices, draw, numbered, rows, where
from vertherm.registry.synthetic.stress.population import NEVER, Population

_SCHEDULE = ((75, 15, 0.3), (154, 16, 0.95), (330, 25, 0.8), (600, 30, 0.6))
"""Middle and half width of each examination's days, and the share of patients who have it."""


def add_imaging(records: Records, population: Population, of_patient: Indices, rng: np.random.Generator) -> None:
    """Add examinations, and what each showed of every lesion that had been treated by then."""
    patient, day = _examinations(population, rng)
    number = numbered(patient)
    n = len(patient)
    evaluable = rng.random(n) < 0.96
    records.tables["imaging"] = rows(
        "imaging",
        n,
        patient_key=population.keys[patient],
        imaging_no=number,
        date=population.dates(patient, day),
        modality=draw(rng, ("ct", "mr", "pet_ct", "unspecified"), (40, 35, 20, 5), n),
        contrast=draw(rng, ("yes", "no", "unknown", None), (60, 25, 10, 5), n),
        evaluable=where(evaluable, np.full(n, "yes", object), "no"),
    )
    # Lesion 1 progresses when its patient does, every other one with it in one patient of five.
    lesion_no = numbered(of_patient)
    joins = (lesion_no == 1) | (rng.random(len(of_patient)) < 0.2)
    progression = np.where(joins, population.progression[of_patient], NEVER)
    first_lesion = np.concatenate([[0], np.cumsum(population.lesions)])[:-1]
    scan = np.repeat(np.arange(n), population.lesions[patient])
    lesion = np.repeat(first_lesion[patient], population.lesions[patient]) + numbered(scan) - 1
    progressed = progression[lesion] <= day[scan]
    seen = evaluable[scan]
    response = where(progressed, np.full(len(scan), "pd", object), draw(rng, ("cr", "pr", "sd"), (2, 3, 5), len(scan)))
    response = where(seen, response, "ne")
    criterion = draw(rng, ("mda", "recist_1_1", "percist", "unstated"), (60, 20, 10, 10), n)[scan]
    records.tables["response"] = rows(
        "response",
        len(scan),
        patient_key=population.keys[patient[scan]],
        imaging_no=number[scan],
        lesion_no=lesion_no[lesion],
        criterion=criterion,
        response=where(criterion != "unstated", response),
        progression=where(seen, where(progressed, np.full(len(scan), "yes", object), "no"), "ne"),
    )


def _examinations(population: Population, rng: np.random.Generator) -> tuple[Indices, Indices]:
    everyone = np.arange(population.size)
    patients, days = [], []
    for middle, half, share in _SCHEDULE:
        day = rng.integers(middle - half, middle + half + 1, population.size)
        done = (rng.random(population.size) < share) & (day <= population.end)
        patients.append(everyone[done])
        days.append(day[done])
    patient, day = np.concatenate(patients), np.concatenate(days)
    order = np.lexsort((day, patient))
    return patient[order], day[order]


def add_events(records: Records, population: Population, rng: np.random.Generator) -> None:
    """Add treatments and fractures after the first procedure; a re-treatment is an event, too."""
    n = population.size
    other = np.flatnonzero(rng.random(n) < 0.3)
    again = np.flatnonzero(population.retreatment < NEVER)
    day = rng.integers(20, 600, len(other))
    inside = day <= population.end[other]
    other, day = other[inside], day[inside]
    kind = draw(
        rng, ("radiotherapy", "systemic_therapy", "surgery", "new_fracture", "other"), (35, 45, 5, 12, 3), len(other)
    )
    patient = np.concatenate([other, again])
    days = np.concatenate([day, population.retreatment[again]])
    kinds = np.concatenate([kind, np.full(len(again), "reablation", object)])
    order = np.lexsort((days, patient))
    patient, days, kinds = patient[order], days[order], kinds[order]
    local = (kinds == "reablation") | (kinds == "radiotherapy")
    records.tables["event"] = rows(
        "event",
        len(patient),
        patient_key=population.keys[patient],
        event_no=numbered(patient),
        date=population.dates(patient, days),
        kind=kinds,
        lesion_no=where(local, np.ones(len(patient), np.int64)),
    )
