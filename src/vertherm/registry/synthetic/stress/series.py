"""The series itself, its patients and their lesions."""

from __future__ import annotations

import numpy as np

from vertherm.clinical import grades, sins
from vertherm.clinical import vocabularies as v
from vertherm.clinical.levels import parse_level
from vertherm.registry.records import Records
from vertherm.registry.synthetic.anatomy import LEVELS
from vertherm.registry.synthetic.columns import Indices, draw, numbered, pick, rows, where
from vertherm.registry.synthetic.stress import delivery, outcome, visits, zones
from vertherm.registry.synthetic.stress.population import (
    DATA_UNTIL,
    FIRST_DAY,
    LAST_DAY,
    NEVER,
    SUBDISTRIBUTION_HAZARD_RATIO,
    Population,
    draw_population,
)
from vertherm.registry.windows import DEFAULT_WINDOWS

SERIES = "stress"
_ASSUMED = (
    ("everything", "made up: no source"),
    (
        "effect of prior radiotherapy on progression",
        f"subdistribution hazard ratio {SUBDISTRIBUTION_HAZARD_RATIO:g} before imaging sees it",
    ),
    ("missing values", "at random, with a reason; visits outside the windows and missed visits among them"),
)
_TUMOURS = v.PRIMARY_TUMOUR.codes
_LEVELS = tuple(level for region in ("cervical", "thoracic", "lumbar", "sacral") for level in LEVELS[region])
_YES_NO_UNKNOWN = ("yes", "no", "unknown")


def make(seed: int, patients: int) -> Records:
    """The series as records; see :func:`vertherm.registry.synthetic.generate`."""
    rng = np.random.default_rng([1, seed])
    records = Records()
    population = draw_population(rng, patients)
    _add_series(records)
    _add_patients(records, population, rng)
    of_patient = np.repeat(np.arange(population.size), population.lesions)
    _add_lesions(records, population, of_patient, rng)
    delivery.add_procedures(records, population, of_patient, rng)
    visits.add_visits(records, population, rng)
    outcome.add_imaging(records, population, of_patient, rng)
    outcome.add_events(records, population, rng)
    # Draws of its own, so that the rest of a series stays what it was for a seed.
    zones.add_zones(records, np.random.default_rng([2, seed]))
    return records


def _add_series(records: Records) -> None:
    records.add(
        "series",
        series=SERIES,
        title="SYNTHETIC patients for tests of scale: no evidence",
        synthetic="yes",
        day_zero="lesion",
        first_day=FIRST_DAY,
        last_day=LAST_DAY,
        data_until=DATA_UNTIL,
        source="Made up",
    )
    for number, (item, value) in enumerate(_ASSUMED, start=1):
        records.add("series_statement", series=SERIES, statement_no=number, kind="assumption", item=item, value=value)
    for window in DEFAULT_WINDOWS:
        records.add(
            "visit_window",
            series=SERIES,
            time_point=window.name,
            label=window.label,
            first_day=window.first_day,
            last_day=window.last_day,
        )


def _add_patients(records: Records, population: Population, rng: np.random.Generator) -> None:
    n = population.size
    everyone = np.arange(n)
    tumour = draw(rng, _TUMOURS, (10, 27, 12, 6, 5, 4, 3, 1, 1, 3, 2, 2, 2, 2, 1), n)
    radiotherapy = where(population.radiotherapy, np.full(n, "yes", object), "no")
    radiotherapy[rng.random(n) < 0.05] = "unknown"
    scale = draw(rng, (None, "ecog", "kps"), (1, 6, 3), n)
    ecog, kps = rng.integers(0, 4, n), 10 * rng.integers(4, 11, n)
    age = np.clip(np.rint(rng.normal(62, 12, n)), 20, 95).astype(np.int64)
    dead = population.death < NEVER
    records.tables["patient"] = rows(
        "patient",
        n,
        patient_key=population.keys,
        series=SERIES,
        synthetic="yes",
        sex=draw(rng, v.SEX.codes, (52, 46, 0.5, 1.5), n),
        age=where(rng.random(n) < 0.98, age),
        primary_tumour=tumour,
        prior_radiotherapy=radiotherapy,
        systemic_therapy=draw(rng, _YES_NO_UNKNOWN, (60, 30, 10), n),
        performance_scale=scale,
        performance=where(scale == "ecog", ecog, where(scale == "kps", kps)),
        last_contact=where(~dead, population.dates(everyone, population.end)),
    )
    gone = np.flatnonzero(dead)
    records.tables["death"] = rows(
        "death",
        len(gone),
        patient_key=population.keys[gone],
        date=population.dates(gone, population.death[gone]),
        cause=draw(rng, ("tumour", "other", "unknown"), (75, 15, 10), len(gone)),
        attribution=draw(rng, (None, "unrelated", "unlikely"), (2, 6, 2), len(gone)),
    )


def _add_lesions(records: Records, population: Population, of_patient: Indices, rng: np.random.Generator) -> None:
    n = len(of_patient)
    number = numbered(of_patient)
    level = _draw_levels(population, of_patient, number, rng)
    sizes = -np.sort(-np.round(rng.gamma(6.0, 4.0, (n, 3)) + 4.0, 1), axis=1)
    measured = rng.random(n) < 0.9
    volume = np.round(np.pi / 6000.0 * sizes.prod(axis=1), 3)
    radiotherapy = where(population.radiotherapy[of_patient], draw(rng, ("yes", "no"), (6, 4), n), "no")
    radiotherapy[rng.random(n) < 0.06] = "unknown"
    records.tables["lesion"] = rows(
        "lesion",
        n,
        patient_key=population.keys[of_patient],
        lesion_no=number,
        level=pick(_LEVELS, level),
        region=pick([parse_level(name).region.value for name in _LEVELS], level),
        side=draw(rng, v.SIDE.codes, (3, 3, 2, 1, 1), n),
        part=draw(rng, v.PART.codes, (50, 10, 5, 25, 5, 2, 3), n),
        level_confirmed=draw(rng, _YES_NO_UNKNOWN, (90, 2, 8), n),
        counting_rule=draw(rng, (None, *v.COUNTING_RULE.codes), (20, 20, 20, 30, 5, 5), n),
        kind=draw(rng, v.LESION_KIND.codes, (55, 15, 25, 5), n),
        size_1_mm=where(measured, sizes[:, 0]),
        size_2_mm=where(measured, sizes[:, 1]),
        size_3_mm=where(measured, sizes[:, 2]),
        volume_ml=where(measured, volume),
        **_draw_sins(level, rng),
        escc=draw(rng, grades.ESCC.codes, (40, 15, 10, 8, 5, 2, 20), n),
        posterior_wall=draw(rng, v.POSTERIOR_WALL.codes, (50, 20, 15, 5, 10), n),
        pathological_fracture=draw(rng, _YES_NO_UNKNOWN, (35, 60, 5), n),
        prior_radiotherapy=radiotherapy,
        prior_radiotherapy_gy=where(radiotherapy == "yes", draw(rng, (8.0, 20.0, 30.0, None), (4, 3, 2, 1), n)),
    )


def _draw_levels(population: Population, of_patient: Indices, number: Indices, rng: np.random.Generator) -> Indices:
    """Index of a level for every lesion; those of one patient lie a few vertebrae apart and all differ."""
    weights = np.array([0.3 if name[0] == "C" else 4.0 if name[0] == "T" else 6.5 for name in _LEVELS])
    weights[-5:] = (6.0, 4.0, 2.0, 1.0, 0.5)
    start = rng.choice(len(_LEVELS), size=population.size, p=weights / weights.sum())
    apart = rng.integers(1, 5, population.size)
    return np.asarray((start[of_patient] + (number - 1) * apart[of_patient]) % len(_LEVELS), dtype=np.int64)


def _draw_sins(level: Indices, rng: np.random.Generator) -> dict[str, np.ndarray]:
    n = len(level)
    columns: dict[str, np.ndarray] = {}
    total = np.zeros(n, dtype=np.int64)
    known = np.ones(n, dtype=bool)
    for name, points in sins.POINTS.items():
        codes = tuple(points)
        chosen = rng.integers(len(codes), size=n)
        if name == "sins_location":
            chosen = np.array([codes.index(sins.location(parse_level(item))) for item in _LEVELS])[level]
        present = rng.random(n) < 0.97
        known &= present
        total += np.array(list(points.values()))[chosen]
        columns[name] = where(present, pick(codes, chosen))
    columns["sins_total"] = where(known, total)
    return columns
