"""Visits, missed visits, opioids and nerve roots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.clinical import odi, opioids
from vertherm.clinical import vocabularies as v
from vertherm.registry.records import Records
from vertherm.registry.synthetic.columns import Indices, draw, numbered, pick, rows, where
from vertherm.registry.synthetic.stress.population import Population

_REASONS = ("unknown", "not_done", "refused", "too_ill")
_REASON_WEIGHTS = (4, 3, 2, 2)
_DRUGS = (
    ("tramadol", "oral", "mg_per_day", (100.0, 200.0, 300.0)),
    ("oxycodone", "oral", "mg_per_day", (10.0, 20.0, 40.0, 80.0)),
    ("morphine", "oral", "mg_per_day", (20.0, 40.0, 60.0)),
    ("fentanyl", "transdermal", "ug_per_h", (12.0, 25.0, 50.0)),
    ("hydromorphone", "oral", "mg_per_day", (4.0, 8.0, 16.0)),
)
_SCORES = tuple(float(score) for score in range(11))


@dataclass(frozen=True)
class _Visits:
    """Visits in the order of their rows; ``late`` is True after day 0."""

    patient: Indices
    day: Indices
    number: Indices

    @property
    def late(self) -> NDArray[np.bool_]:
        """True for visits after the first procedure."""
        return self.day > 0


def add_visits(records: Records, population: Population, rng: np.random.Generator) -> None:
    """Add visits with all their parts, and the windows in which a living patient was not seen."""
    visits = _schedule(records, population, rng)
    n = len(visits.patient)
    omeq, known = _add_opioids(records, population, visits, rng)
    vas, vas_missing = _draw_vas(population, visits, rng)
    items, percent, odi_missing = _draw_odi(vas, rng)
    scored = rng.random(n) >= 0.03
    records.tables["visit"] = rows(
        "visit",
        n,
        patient_key=population.keys[visits.patient],
        visit_no=visits.number,
        date=population.dates(visits.patient, visits.day),
        vas=where(scored, pick(_SCORES, vas)),
        vas_missing=where(~scored, vas_missing),
        **items,
        odi=percent,
        odi_missing=odi_missing,
        omeq_mg_day=where(known, omeq),
        omeq_table=where(known, np.full(n, opioids.CURRENT, object)),
        omeq_mg_day_missing=where(~known, draw(rng, _REASONS, _REASON_WEIGHTS, n)),
        frankel=draw(rng, ("E", "D", "C", None), (88, 4, 1, 7), n),
    )
    _add_roots(records, population, visits, rng)


def _schedule(records: Records, population: Population, rng: np.random.Generator) -> _Visits:
    n = population.size
    everyone = np.arange(n)
    before = rng.integers(-30, 1, n)
    early = np.where(rng.random(n) < 0.07, rng.integers(29, 46, n), rng.integers(14, 29, n))
    between = rng.integers(50, 120, n)
    late = np.where(rng.random(n) < 0.09, rng.integers(169, 201, n), rng.integers(140, 169, n))
    seen = [rng.random(n) < share for share in (0.99, 0.94, 0.2, 0.88)]
    possible = [day <= population.end for day in (before, early, between, late)]
    kept = [a & b for a, b in zip(seen, possible, strict=True)]
    patient = np.concatenate([everyone[mask] for mask in kept])
    day = np.concatenate([days[mask] for days, mask in zip((before, early, between, late), kept, strict=True)])
    order = np.lexsort((day, patient))
    windows = ((0, "before", before), (1, "week_2_4", early), (3, "week_20_24", late))
    missed = [(everyone[~kept[i] & (population.death > days)], name) for i, name, days in windows]
    _add_missed(records, population, missed, rng)
    patient, day = patient[order], day[order]
    return _Visits(patient, day, numbered(patient))


def _add_missed(
    records: Records, population: Population, missed: list[tuple[Indices, str]], rng: np.random.Generator
) -> None:
    patient = np.concatenate([who for who, _ in missed])
    window = np.concatenate([np.full(len(who), name, object) for who, name in missed])
    gone = population.end[patient] < 168
    reason = where(gone, np.full(len(patient), "lost", object), draw(rng, _REASONS, _REASON_WEIGHTS, len(patient)))
    order = np.lexsort((np.arange(len(patient)), patient))
    records.tables["missed_visit"] = rows(
        "missed_visit",
        len(patient),
        patient_key=population.keys[patient[order]],
        time_point=window[order],
        reason=reason[order],
    )


def _draw_vas(population: Population, visits: _Visits, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray]:
    n = len(visits.patient)
    level = rng.normal(7.0, 1.6, population.size)[visits.patient]
    worse = 1.5 * (visits.day >= population.progression[visits.patient])
    pain = np.where(visits.late, 0.15 * level + 1.2 + worse + rng.normal(0, 1.4, n), level + rng.normal(0, 0.6, n))
    return np.clip(np.rint(pain), 0, 10).astype(np.int64), draw(rng, _REASONS, _REASON_WEIGHTS, n)


def _draw_odi(vas: NDArray[np.int64], rng: np.random.Generator) -> tuple[dict[str, NDArray], NDArray, NDArray]:
    """Section scores, percentage and reason for its absence, by the rule of :mod:`vertherm.clinical.odi`."""
    n = len(vas)
    scores = np.clip(np.rint(0.35 * vas[:, None] + 0.5 + rng.normal(0, 0.9, (n, odi.SECTIONS))), 0, odi.HIGHEST)
    share = np.full(odi.SECTIONS, 0.03)
    share[7] = 0.15
    answered = (rng.random((n, odi.SECTIONS)) >= share) & (rng.random(n) >= 0.1)[:, None]
    scores = scores.astype(np.int64) * answered
    count = answered.sum(axis=1)
    enough = count >= odi.LEAST_ANSWERED
    percent = 100.0 * scores.sum(axis=1) / (odi.HIGHEST * np.maximum(count, 1))
    items = {f"odi_{i + 1}": where(answered[:, i], scores[:, i]) for i in range(odi.SECTIONS)}
    return items, where(enough, percent), where(~enough, draw(rng, _REASONS, _REASON_WEIGHTS, n))


def _add_opioids(
    records: Records, population: Population, visits: _Visits, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Opioids of every visit; their equivalent, and whether it is known."""
    n = len(visits.patient)
    known = rng.random(n) >= 0.08
    taking = rng.random(n) < np.where(visits.late, 0.35, 0.6)
    count = np.where(known & taking, 1 + (rng.random(n) < 0.15), 0)
    visit = np.repeat(np.arange(n), count)
    # Two opioids of one visit are neighbours in the list, so that they differ.
    first = np.repeat(rng.integers(len(_DRUGS), size=n), count)
    drug = (first + numbered(visit) - 1) % len(_DRUGS)
    dose = _draw_doses(drug, rng)
    factor = np.array([opioids.conversion(name, route, unit).factor for name, route, unit, _ in _DRUGS])[drug]
    records.tables["opioid_dose"] = rows(
        "opioid_dose",
        len(visit),
        patient_key=population.keys[visits.patient[visit]],
        visit_no=visits.number[visit],
        opioid_no=numbered(visit),
        drug=pick([item[0] for item in _DRUGS], drug),
        route=pick([item[1] for item in _DRUGS], drug),
        dose=dose,
        unit=pick([item[2] for item in _DRUGS], drug),
    )
    return np.bincount(visit, weights=dose * factor, minlength=n).astype(np.float64), known


def _draw_doses(drug: Indices, rng: np.random.Generator) -> NDArray[np.float64]:
    step = rng.random(len(drug))
    dose = np.zeros(len(drug))
    for i, (_, _, _, choices) in enumerate(_DRUGS):
        mine = drug == i
        dose[mine] = np.array(choices)[(step[mine] * len(choices)).astype(np.int64)]
    return dose


def _add_roots(records: Records, population: Population, visits: _Visits, rng: np.random.Generator) -> None:
    chosen = np.flatnonzero(rng.random(len(visits.patient)) < 0.02)
    row = np.repeat(chosen, 2)
    root = np.repeat(rng.integers(len(v.ROOT.codes), size=len(chosen)), 2)
    records.tables["root_status"] = rows(
        "root_status",
        len(row),
        patient_key=population.keys[visits.patient[row]],
        visit_no=visits.number[row],
        root=pick(v.ROOT.codes, root),
        side=pick(v.ROOT_SIDE.codes, numbered(row) - 1),
        motor=draw(rng, (5, 4, 3, None), (85, 8, 4, 3), len(row)),
        sensation=draw(rng, v.SENSATION.codes, (80, 10, 2, 5, 3), len(row)),
    )
