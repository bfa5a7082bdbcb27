"""SYNTHETIC series with the margins of Khan et al., AJNR 2018;39:1376-1383 (abstract). It is no evidence.

Counts are dealt out, medians and standard deviations constructed, so that they hold for every seed. What the abstract
leaves open and what was assumed instead is in :mod:`vertherm.registry.synthetic.khan2018_statements`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from vertherm.registry.records import Records
from vertherm.registry.synthetic import drawing
from vertherm.registry.synthetic.anatomy import draw_levels, region_of
from vertherm.registry.synthetic.khan2018_statements import STATEMENTS
from vertherm.registry.windows import DEFAULT_WINDOWS

SERIES = "khan2018"
PATIENTS, LESIONS, DEATHS, SURVIVORS, PROGRESSED = 69, 102, 8, 61, 2
REGIONS = {"cervical": 2, "thoracic": 50, "lumbar": 34, "sacral": 16}
PRIMARIES = {
    "myeloma": 10,
    "breast": 27,
    "lung": 12,
    "thyroid": 6,
    "prostate": 5,
    "colon": 4,
    "renal": 3,
    "oral_squamous": 1,
    "adenocarcinoma_unknown": 1,
}
FIRST_DAY, LAST_DAY, DATA_UNTIL = date(2015, 1, 1), date(2016, 10, 31), date(2017, 5, 31)
_STAGED, _EXTRA_VISITS, _LAST_STAGE = 5, 6, 9


@dataclass
class _Patient:
    """One made-up patient while the series is put together."""

    key: str
    primary: str
    levels: list[str]
    day_zero: date
    stages: list[int]
    death: int | None = None
    progressed: bool = False

    def on(self, day: int) -> date:
        """Date of a day after day 0."""
        return self.day_zero + timedelta(days=day)


def make(seed: int) -> Records:
    """The series as records; see :func:`vertherm.registry.synthetic.generate`."""
    rng = np.random.default_rng([2018, seed])
    records = Records()
    _add_series(records)
    patients = _draw_patients(rng)
    for patient in patients:
        _add_patient(records, patient, rng)
    _add_procedures(records, patients, rng)
    _add_complications(records, patients, rng)
    _add_visits(records, patients, rng)
    _add_imaging(records, patients, rng)
    return records


def _add_series(records: Records) -> None:
    records.add(
        "series",
        series=SERIES,
        title="SYNTHETIC patients with the margins of Khan et al., AJNR 2018: tests the software, no evidence",
        synthetic="yes",
        day_zero="patient",
        first_day=FIRST_DAY,
        last_day=LAST_DAY,
        data_until=DATA_UNTIL,
        source="Made up after the abstract of Khan et al., AJNR Am J Neuroradiol 2018;39:1376-1383, "
        "doi:10.3174/ajnr.A5680",
    )
    for number, (kind, item, value, source) in enumerate(STATEMENTS, start=1):
        records.add(
            "series_statement", series=SERIES, statement_no=number, kind=kind, item=item, value=value, source=source
        )
    for window in DEFAULT_WINDOWS:
        records.add(
            "visit_window",
            series=SERIES,
            time_point=window.name,
            label=window.label,
            first_day=window.first_day,
            last_day=window.last_day,
        )


def _draw_patients(rng: np.random.Generator) -> list[_Patient]:
    counts = drawing.spread(rng, LESIONS, PATIENTS, most=4)
    levels = _deal_levels(rng, counts.tolist())
    primaries = drawing.shuffled(rng, PRIMARIES)
    staged = set(rng.choice(np.flatnonzero(counts > 1), _STAGED, replace=False).tolist())
    patients = []
    for i in range(PATIENTS):
        second = [int(rng.integers(3, _LAST_STAGE + 1))] if i in staged else []
        patients.append(_Patient(f"SYN-KHAN-{i + 1:03d}", primaries[i], levels[i], _draw_day_zero(rng), [0, *second]))
    dead = rng.choice(PATIENTS, DEATHS, replace=False)
    for i in dead:
        # After the 2-4 week visit and before the 20-24 week window opens: every count finds the same survivors.
        patients[i].death = int(rng.integers(35, 136))
    alive = np.setdiff1d(np.arange(PATIENTS), dead)
    for i in rng.choice(alive, PROGRESSED, replace=False):
        patients[i].progressed = True
    return patients


def _deal_levels(rng: np.random.Generator, counts: list[int]) -> list[list[str]]:
    """Levels of every patient; at least one lesion is in S1, because the nerve injury needs one."""
    regions = iter(drawing.shuffled(rng, REGIONS))
    levels = [draw_levels(rng, [next(regions) for _ in range(count)]) for count in counts]
    if not any("S1" in of_patient for of_patient in levels):
        sacral = next(of_patient for of_patient in levels if region_of(of_patient[-1]) == "sacral")
        first = next(i for i, level in enumerate(sacral) if region_of(level) == "sacral")
        sacral[first] = "S1"
    return levels


def _draw_day_zero(rng: np.random.Generator) -> date:
    """A working day that leaves room for a second stage within the study period."""
    last = (LAST_DAY - FIRST_DAY).days - _LAST_STAGE - 3
    while True:
        day = FIRST_DAY + timedelta(days=int(rng.integers(4, last)))
        if day.weekday() < 5:
            return day


def _add_patient(records: Records, patient: _Patient, rng: np.random.Generator) -> None:
    sex = {"breast": "female", "prostate": "male"}.get(patient.primary) or ("female", "male")[int(rng.integers(2))]
    # Alive half a year after the procedure: the abstract counts the deaths of that time.
    alive_until = None if patient.death is not None else patient.on(int(rng.integers(183, 200)))
    records.add(
        "patient",
        patient_key=patient.key,
        series=SERIES,
        synthetic="yes",
        sex=sex,
        age=int(np.clip(np.rint(rng.normal(62, 12)), 30, 90)),
        primary_tumour=patient.primary,
        prior_radiotherapy="unknown",
        systemic_therapy="unknown",
        last_contact=alive_until,
    )
    if patient.death is not None:
        records.add("death", patient_key=patient.key, date=patient.on(patient.death), cause="unknown")
    for number, level in enumerate(patient.levels, start=1):
        records.add(
            "lesion",
            patient_key=patient.key,
            lesion_no=number,
            level=level,
            region=region_of(level),
            side="unknown",
            part="unknown",
            kind="unknown",
        )


def _stage_of(patient: _Patient, lesion_no: int) -> int:
    """Procedure in which a lesion is treated: the last lesion waits for the second stage, where there is one."""
    return len(patient.stages) if lesion_no == len(patient.levels) else 1


def _add_procedures(records: Records, patients: list[_Patient], rng: np.random.Generator) -> None:
    times = rng.permutation(drawing.amounts_by_median(rng, LESIONS, median=270.0, sd=7.0, least=200.0, digits=0))
    energies = rng.permutation(drawing.amounts_by_median(rng, LESIONS, median=4.1, sd=1.6, least=0.9, digits=2))
    delivered = iter(zip(times.tolist(), energies.tolist(), strict=True))
    for patient in patients:
        for number, day in enumerate(patient.stages, start=1):
            records.add(
                "procedure",
                patient_key=patient.key,
                procedure_no=number,
                date=patient.on(day),
                anaesthesia="general",
                guidance="unspecified",
                technical_success="unknown",
            )
        for lesion_no in range(1, len(patient.levels) + 1):
            time_s, energy_kj = next(delivered)
            records.add(
                "treatment",
                patient_key=patient.key,
                procedure_no=_stage_of(patient, lesion_no),
                lesion_no=lesion_no,
                intent="first",
                ablation="yes",
                approach="unknown",
                ablation_time_s=time_s,
                energy_kj=energy_kj,
                energy_kind="unstated",
                cement="yes",
                cement_type="unknown",
                cement_leakage="unknown",
                technical_success="unknown",
            )


def _add_complications(records: Records, patients: list[_Patient], rng: np.random.Generator) -> None:
    with_s1 = [patient for patient in patients if "S1" in patient.levels]
    injured = with_s1[int(rng.integers(len(with_s1)))]
    others = [patient for patient in patients if patient is not injured]
    burnt = others[int(rng.integers(len(others)))]
    cases = (
        (injured, injured.levels.index("S1") + 1, "nerve_injury", "nerve_root", "S1 nerve"),
        (burnt, int(rng.integers(1, len(burnt.levels) + 1)), "skin_burn", "skin", "skin"),
    )
    for patient, lesion_no, term, site, structure in cases:
        stage = _stage_of(patient, lesion_no)
        records.add(
            "complication",
            patient_key=patient.key,
            complication_no=1,
            procedure_no=stage,
            lesion_no=lesion_no,
            site=site,
            structure=structure,
            term=term,
            onset=patient.on(patient.stages[stage - 1]),
            attribution="definite",
            outcome="unknown",
        )


def _add_visits(records: Records, patients: list[_Patient], rng: np.random.Generator) -> None:
    before = rng.standard_normal(PATIENTS)
    early = drawing.correlated(rng, before, 0.35)
    survivors = [i for i, patient in enumerate(patients) if patient.death is None]
    late = drawing.correlated(rng, early, 0.6)[survivors]
    scores = (
        drawing.ranked(drawing.scores_by_median(rng, PATIENTS, median=7, sd=1.8, low=3, high=10), before),
        drawing.ranked(drawing.scores_by_median(rng, PATIENTS, median=2, sd=1.6, low=0, high=8), early),
        drawing.ranked(drawing.scores_by_median(rng, SURVIVORS, median=2, sd=2.1, low=0, high=9), late),
    )
    extra = set(rng.choice(survivors, _EXTRA_VISITS, replace=False).tolist())
    late_score = dict(zip(survivors, scores[2].tolist(), strict=True))
    for i, patient in enumerate(patients):
        visits = [(int(rng.integers(-14, 1)), int(scores[0][i])), (int(rng.integers(16, 29)), int(scores[1][i]))]
        if i in extra:
            visits.append((int(rng.integers(45, 111)), int(scores[1][i])))
        if i in late_score:
            visits.append((int(rng.integers(142, 169)), late_score[i]))
        for number, (day, vas) in enumerate(visits, start=1):
            records.add(
                "visit",
                patient_key=patient.key,
                visit_no=number,
                date=patient.on(day),
                vas=float(vas),
                odi_missing="unknown",
                omeq_mg_day_missing="unknown",
            )


def _add_imaging(records: Records, patients: list[_Patient], rng: np.random.Generator) -> None:
    for patient in patients:
        if patient.death is not None:
            continue
        # Late enough that a lesion of the second stage, too, is imaged 20-24 weeks after its own treatment.
        day = int(rng.integers(140 + _LAST_STAGE, 169))
        records.add(
            "imaging",
            patient_key=patient.key,
            imaging_no=1,
            date=patient.on(day),
            modality="unspecified",
            evaluable="yes",
        )
        worst = int(rng.integers(1, len(patient.levels) + 1)) if patient.progressed else 0
        for lesion_no in range(1, len(patient.levels) + 1):
            records.add(
                "response",
                patient_key=patient.key,
                imaging_no=1,
                lesion_no=lesion_no,
                criterion="unstated",
                progression="yes" if lesion_no == worst else "no",
            )
