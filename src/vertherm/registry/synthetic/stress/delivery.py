"""What was done: procedures, treatments, activations, cement, protection, temperatures, complications, plans."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.clinical import grades
from vertherm.clinical import vocabularies as v
from vertherm.registry.records import Records
from vertherm.registry.synthetic.columns import Indices, draw, numbered, pick, rows, where
from vertherm.registry.synthetic.stress.population import NEVER, Population

_ANSWERS = ("yes", "no", "not_asked", None)
_MOST_LOGS, _READINGS = 500, 30
_STRUCTURES = ("spinal canal", "left foramen", "right foramen", "skin")
_TERMS = ("nerve_injury", "skin_burn", "pain_flare", "infection", "fracture", "cement_embolism", "bleeding", "other")


@dataclass(frozen=True)
class _Procedures:
    """Procedures in the order of their rows: patient, number within the patient, day after day 0."""

    patient: Indices
    number: Indices
    day: Indices


@dataclass(frozen=True)
class _Treatments:
    """Treatments in the order of their rows."""

    patient: Indices
    procedure: Indices
    lesion: Indices
    repeat: NDArray[np.bool_]


def add_procedures(records: Records, population: Population, of_patient: Indices, rng: np.random.Generator) -> None:
    """Add every table that belongs to a procedure."""
    procedures = _procedures(population)
    treatments = _treatments(population, of_patient, procedures)
    _add_procedure_rows(records, population, procedures, rng)
    _add_treatment_rows(records, population, treatments, rng)
    lesion = _first_lesions(procedures, treatments)
    _add_protection(records, population, procedures, lesion, rng)
    _add_thermocouples(records, population, procedures, lesion, rng)
    _add_complications(records, population, procedures, lesion, rng)
    _add_plans(records, population, procedures)


def _procedures(population: Population) -> _Procedures:
    everyone = np.arange(population.size)
    staged = np.flatnonzero(population.staged < NEVER)
    again = np.flatnonzero(population.retreatment < NEVER)
    patient = np.concatenate([everyone, staged, again])
    day = np.concatenate([np.zeros_like(everyone), population.staged[staged], population.retreatment[again]])
    order = np.lexsort((day, patient))
    return _Procedures(patient[order], numbered(patient[order]), day[order])


def _treatments(population: Population, of_patient: Indices, procedures: _Procedures) -> _Treatments:
    """Every lesion once, the last one in the second stage where there is one; lesion 1 again where it is re-treated."""
    lesion = numbered(of_patient)
    second = (population.staged[of_patient] < NEVER) & (lesion == population.lesions[of_patient])
    again = np.flatnonzero(population.retreatment < NEVER)
    first_row = np.searchsorted(procedures.patient, again, side="right") - 1
    patient = np.concatenate([of_patient, again])
    procedure = np.concatenate([np.where(second, 2, 1), procedures.number[first_row]])
    # The second stage always comes before a re-treatment (day 40 at most against day 171 at least).
    lesions = np.concatenate([lesion, np.ones_like(again)])
    repeat = np.concatenate([np.zeros(len(lesion), bool), np.ones(len(again), bool)])
    order = np.lexsort((lesions, procedure, patient))
    return _Treatments(patient[order], procedure[order], lesions[order], repeat[order])


def _first_lesions(procedures: _Procedures, treatments: _Treatments) -> Indices:
    """The first lesion that each procedure treated: what else happens in it concerns a lesion that it treated."""
    most = int(procedures.number.max()) + 1
    treated = treatments.patient * most + treatments.procedure
    return treatments.lesion[np.searchsorted(treated, procedures.patient * most + procedures.number)]


def _add_procedure_rows(
    records: Records, population: Population, procedures: _Procedures, rng: np.random.Generator
) -> None:
    n = len(procedures.patient)
    stay = np.minimum(procedures.day + rng.poisson(1.0, n), population.end[procedures.patient])
    records.tables["procedure"] = rows(
        "procedure",
        n,
        patient_key=population.keys[procedures.patient],
        procedure_no=procedures.number,
        date=population.dates(procedures.patient, procedures.day),
        anaesthesia=draw(rng, v.ANAESTHESIA.codes, (70, 20, 3, 4, 1, 2), n),
        guidance=draw(rng, v.GUIDANCE.codes, (50, 15, 10, 10, 8, 1, 1, 5), n),
        position=draw(rng, (*v.POSITION.codes, None), (80, 5, 5, 10), n),
        ct_dlp_mgycm=where(rng.random(n) < 0.7, np.round(rng.gamma(4.0, 250.0, n), 0)),
        ct_ctdivol_mgy=where(rng.random(n) < 0.5, np.round(rng.gamma(4.0, 10.0, n), 1)),
        anticoagulation=draw(rng, _ANSWERS, (10, 75, 10, 5), n),
        infection=draw(rng, _ANSWERS, (1, 84, 10, 5), n),
        high_grade_escc=draw(rng, _ANSWERS, (7, 78, 10, 5), n),
        metalwork=draw(rng, _ANSWERS, (8, 77, 10, 5), n),
        pacemaker=draw(rng, _ANSWERS, (3, 82, 10, 5), n),
        technical_success=draw(rng, v.YES_NO_UNKNOWN.codes, (96, 3, 1), n),
        discharge=where(rng.random(n) < 0.85, population.dates(procedures.patient, stay)),
    )


@dataclass(frozen=True)
class _Energy:
    """What each treatment delivered: every cycle alike, with its time, power and energy."""

    ablated: NDArray[np.bool_]
    cycles: Indices
    cycle_s: NDArray[np.float64]
    forward_w: NDArray[np.float64]
    cycle_kj: NDArray[np.float64]
    kind: NDArray


def _draw_energy(n: int, rng: np.random.Generator) -> _Energy:
    cycle_s = np.round(rng.normal(120.0, 15.0, n).clip(30.0, 400.0))
    forward_w = np.round(rng.normal(20.0, 4.0, n).clip(5.0, 100.0), 1)
    kind = rng.choice(4, size=n, p=(0.4, 0.3, 0.1, 0.2))
    # Forward, net, absorbed; an energy of unstated kind is the forward one.
    share = np.array([1.0, 0.85, 0.8, 1.0])[kind]
    cycle_kj = np.round(np.maximum(forward_w * share * cycle_s / 1000.0, 0.01), 3)
    return _Energy(
        rng.random(n) < 0.98, rng.integers(1, 4, n), cycle_s, forward_w, cycle_kj, pick(v.ENERGY_KIND.codes, kind)
    )


def _add_treatment_rows(
    records: Records, population: Population, treatments: _Treatments, rng: np.random.Generator
) -> None:
    n = len(treatments.patient)
    energy = _draw_energy(n, rng)
    ablated = energy.ablated
    cement = draw(rng, v.YES_NO_UNKNOWN.codes, (85, 12, 3), n)
    filled = cement == "yes"
    leak = where(filled, draw(rng, v.YES_NO_UNKNOWN.codes, (20, 76, 4), n))
    measured, volume = rng.random(n) < 0.95, np.round(rng.gamma(5.0, 0.8, n) + 0.3, 1)
    records.tables["treatment"] = rows(
        "treatment",
        n,
        patient_key=population.keys[treatments.patient],
        procedure_no=treatments.procedure,
        lesion_no=treatments.lesion,
        intent=pick(("first", "retreatment"), treatments.repeat.astype(np.int64)),
        ablation=where(ablated, np.full(n, "yes", object), "no"),
        approach=draw(rng, v.APPROACH.codes, (1, 55, 15, 15, 5, 5, 1, 1, 2), n),
        applicator=where(ablated, draw(rng, ("antenna A", "antenna B", None), (5, 4, 1), n)),
        frequency_mhz=where(ablated, draw(rng, (2450.0, 915.0, None), (6, 3, 1), n)),
        needles=where(ablated, draw(rng, (1, 2), (9, 1), n)),
        cycles=where(ablated, energy.cycles),
        ablation_time_s=where(ablated, energy.cycle_s * energy.cycles),
        energy_kj=where(ablated, np.round(energy.cycle_kj * energy.cycles, 3)),
        energy_kind=where(ablated, energy.kind),
        peak_temperature_c=where(ablated & (rng.random(n) < 0.2), np.round(rng.normal(78.0, 8.0, n), 1)),
        cement=cement,
        cement_type=where(filled, draw(rng, v.CEMENT.codes, (50, 40, 2, 2, 6), n)),
        cement_volume_ml=where(filled & measured, volume),
        cement_leakage=leak,
        technical_success=draw(rng, v.YES_NO_UNKNOWN.codes, (96, 3, 1), n),
    )
    _add_leaks(records, population, treatments, np.flatnonzero(leak == "yes"), volume, rng)
    _add_activations(records, population, treatments, energy, rng)


def _add_activations(
    records: Records, population: Population, treatments: _Treatments, energy: _Energy, rng: np.random.Generator
) -> None:
    # Single cycles are known for the treatments of a part of the patients.
    logged = np.flatnonzero(energy.ablated & (treatments.patient % 4 == 0))
    row = np.repeat(logged, energy.cycles[logged])
    records.tables["activation"] = rows(
        "activation",
        len(row),
        patient_key=population.keys[treatments.patient[row]],
        procedure_no=treatments.procedure[row],
        lesion_no=treatments.lesion[row],
        activation_no=numbered(row),
        needle_no=1,
        set_power_w=np.round(energy.forward_w[row] * 1.05, 1),
        forward_power_w=energy.forward_w[row],
        net_power_w=np.round(0.85 * energy.forward_w[row], 2),
        time_s=energy.cycle_s[row],
        energy_kj=energy.cycle_kj[row],
        energy_kind=energy.kind[row],
        peak_temperature_c=where(rng.random(len(row)) < 0.2, np.round(rng.normal(75.0, 8.0, len(row)), 1)),
    )


def _add_leaks(
    records: Records,
    population: Population,
    treatments: _Treatments,
    leaking: Indices,
    cement: NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    row = np.repeat(leaking, 1 + (rng.random(len(leaking)) < 0.2))
    # The second site of a lesion is the next one in the list, so that the two differ.
    first = np.repeat(rng.integers(len(v.LEAK_SITE.codes), size=len(leaking)), np.bincount(row)[leaking])
    site = (first + numbered(row) - 1) % len(v.LEAK_SITE.codes)
    # No more can leak than was injected, at two sites at most.
    leaked = np.minimum(np.round(rng.gamma(2.0, 0.2, len(row)) + 0.05, 2), np.round(0.4 * cement[row], 2))
    records.tables["cement_leak"] = rows(
        "cement_leak",
        len(row),
        patient_key=population.keys[treatments.patient[row]],
        procedure_no=treatments.procedure[row],
        lesion_no=treatments.lesion[row],
        site=pick(v.LEAK_SITE.codes, site),
        symptomatic=draw(rng, v.YES_NO_UNKNOWN.codes, (2, 96, 2), len(row)),
        volume_ml=where(rng.random(len(row)) < 0.3, leaked),
    )


def _add_protection(
    records: Records, population: Population, procedures: _Procedures, lesion: Indices, rng: np.random.Generator
) -> None:
    row = np.repeat(np.arange(len(procedures.patient)), rng.poisson(0.4, len(procedures.patient)))
    kind = draw(rng, v.PROTECTION.codes, (25, 25, 30, 8, 4, 7, 1), len(row))
    filled = (kind == "co2_dissection") | (kind == "fluid_dissection")
    records.tables["protection"] = rows(
        "protection",
        len(row),
        patient_key=population.keys[procedures.patient[row]],
        procedure_no=procedures.number[row],
        protection_no=numbered(row),
        lesion_no=lesion[row],
        kind=kind,
        structure=draw(rng, (None, *_STRUCTURES), (1, 4, 3, 3, 1), len(row)),
        volume_ml=where(filled, np.round(rng.gamma(3.0, 8.0, len(row)) + 1.0, 0)),
    )


def _add_thermocouples(
    records: Records, population: Population, procedures: _Procedures, lesion: Indices, rng: np.random.Generator
) -> None:
    chosen = np.sort(rng.permutation(len(procedures.patient))[: min(_MOST_LOGS, -(-len(procedures.patient) // 50))])
    row = np.repeat(chosen, 2)
    time_s = np.tile(np.arange(_READINGS) * 10.0, len(row))
    peak = rng.normal(41.0, 1.5, len(row)).clip(37.5, 60.0)
    rise = 1.0 - np.exp(-time_s / 120.0)
    temperature = np.round(37.0 + (np.repeat(peak, _READINGS) - 37.0) * rise, 1)
    sensor = numbered(row)
    records.tables["thermocouple"] = rows(
        "thermocouple",
        len(row),
        patient_key=population.keys[procedures.patient[row]],
        procedure_no=procedures.number[row],
        thermocouple_no=sensor,
        lesion_no=lesion[row],
        structure=pick(_STRUCTURES, rng.integers(len(_STRUCTURES), size=len(row))),
        side=draw(rng, (None, "left", "right"), (1, 1, 1), len(row)),
        peak_temperature_c=temperature.reshape(len(row), _READINGS).max(axis=1),
    )
    log = np.repeat(np.arange(len(row)), _READINGS)
    records.tables["thermocouple_reading"] = rows(
        "thermocouple_reading",
        len(log),
        patient_key=population.keys[procedures.patient[row[log]]],
        procedure_no=procedures.number[row[log]],
        thermocouple_no=sensor[log],
        time_s=time_s,
        temperature_c=temperature,
    )


def _add_complications(
    records: Records, population: Population, procedures: _Procedures, lesion: Indices, rng: np.random.Generator
) -> None:
    row = np.flatnonzero(rng.random(len(procedures.patient)) < 0.04)
    n, patient = len(row), procedures.patient[row]
    end = population.end[patient]
    onset = np.minimum(procedures.day[row] + rng.poisson(1.5, n), end)
    settled = np.minimum(onset + rng.integers(1, 60, n), end)
    term = rng.choice(len(_TERMS), size=n, p=(0.2, 0.15, 0.3, 0.08, 0.1, 0.05, 0.1, 0.02))
    site = pick(("nerve_root", "skin", "lesion", "lesion", "lesion", "systemic", "needle_track", "systemic"), term)
    graded = rng.random(n) < 0.9
    outcome = draw(rng, ("resolved", "resolved_with_sequelae", "ongoing", "unknown"), (75, 8, 10, 7), n)
    records.tables["complication"] = rows(
        "complication",
        n,
        patient_key=population.keys[patient],
        complication_no=numbered(patient),
        procedure_no=procedures.number[row],
        lesion_no=where(term != 7, lesion[row]),
        site=site,
        needle_no=where(term == 1, np.ones(n, np.int64)),
        structure=where(term == 0, draw(rng, ("L5 root, left", "S1 root, right", "T8 root, left"), (1, 1, 1), n)),
        term=pick(_TERMS, term),
        term_text=where(term == 7, np.full(n, "made up", object)),
        onset=population.dates(patient, onset),
        cirse_version=where(graded, np.full(n, "2017", object)),
        cirse_grade=where(graded, draw(rng, grades.CIRSE_2017.codes[:5], (20, 30, 35, 12, 3), n)),
        sir_grade=where(graded, draw(rng, grades.SIR.codes[:5], (30, 30, 20, 15, 5), n)),
        ctcae_version=where(graded, np.full(n, "5.0", object)),
        ctcae_grade=where(graded, draw(rng, grades.CTCAE.codes[:4], (40, 35, 22, 3), n)),
        attribution=draw(rng, v.ATTRIBUTION.codes, (40, 25, 20, 8, 5, 2), n),
        outcome=outcome,
        outcome_date=where((outcome == "resolved") & (rng.random(n) < 0.9), population.dates(patient, settled)),
    )


def _add_plans(records: Records, population: Population, procedures: _Procedures) -> None:
    row = np.arange(0, len(procedures.patient), 200)
    plans = [f"plan-{number:07d}" for number in row.tolist()]
    records.tables["plan_link"] = rows(
        "plan_link",
        len(row),
        patient_key=population.keys[procedures.patient[row]],
        procedure_no=procedures.number[row],
        plan_no=1,
        plan_id=plans,
        sha256=[hashlib.sha256(plan.encode()).hexdigest() for plan in plans],
    )
