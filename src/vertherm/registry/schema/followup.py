"""What happened afterwards: visits, missed visits, opioids, roots, imaging, later events."""

from __future__ import annotations

from vertherm.clinical import grades
from vertherm.clinical import vocabularies as v
from vertherm.registry.schema.common import (
    LESION_NO,
    PATIENT_KEY,
    TO_LESION,
    TO_PATIENT,
    optional_lesion,
    or_missing,
)
from vertherm.registry.schema.field import Check, Entity, Field, Reference, choice, date, integer, note, number, text

ODI_ITEMS = tuple(f"odi_{n}" for n in range(1, 11))
VISIT_NO = integer("visit_no", "visit", 1, 999, required=True, help="Number of the visit within the patient.")
_TO_VISIT = Reference("visit", ("patient_key", "visit_no"))
_ANSWERED = " + ".join(f"CASE WHEN {item} IS NULL THEN 0 ELSE 1 END" for item in ODI_ITEMS)
_SUM = " + ".join(f"coalesce({item}, 0)" for item in ODI_ITEMS)


def _reason(field: str, label: str) -> Field:
    return choice(f"{field}_missing", f"why {label} is missing", v.MISSING)


VISIT = Entity(
    name="visit",
    label="Visit",
    help="One visit or call at its real date.",
    key=("patient_key", "visit_no"),
    fields=(
        PATIENT_KEY,
        VISIT_NO,
        date("date", "date", required=True),
        number("vas", "pain (VAS)", 0, 10, "0-10", missing="vas_missing"),
        _reason("vas", "pain"),
        *(integer(item, f"ODI section {n}", 0, 5) for n, item in enumerate(ODI_ITEMS, start=1)),
        number("odi", "Oswestry Disability Index", 0, 100, "%", missing="odi_missing", computed=True),
        _reason("odi", "ODI"),
        number(
            "omeq_mg_day",
            "oral morphine equivalent",
            0,
            5000,
            "mg/day",
            missing="omeq_mg_day_missing",
            computed=True,
            help="Computed from the opioid doses of the visit where they are given.",
        ),
        text("omeq_table", "version of the conversion table", length=40),
        _reason("omeq_mg_day", "the opioid dose"),
        choice("frankel", "ASIA impairment / Frankel grade", v.FRANKEL),
        note(),
    ),
    references=(TO_PATIENT,),
    checks=(
        or_missing("vas"),
        or_missing("odi"),
        or_missing("omeq_mg_day"),
        Check(
            "odi_of_items",
            f"odi IS NULL OR ({_ANSWERED}) = 0 OR abs(odi * ({_ANSWERED}) - 20.0 * ({_SUM})) <= 0.5",
            ("odi", *ODI_ITEMS),
            "the total is not that of its sections",
            "leave the total empty, it is computed",
        ),
        Check(
            "omeq_version",
            "omeq_mg_day IS NULL OR omeq_mg_day = 0 OR omeq_table IS NOT NULL",
            ("omeq_table", "omeq_mg_day"),
            "a morphine equivalent without the table it was made with",
            "name the table's version, or 'as reported' where the source does not say",
        ),
    ),
    date="date",
    unique=(("patient_key", "date"),),
)
MISSED = Entity(
    name="missed_visit",
    label="Missed visit",
    help="A window in which the patient was not seen, and why. Death is known from its own record.",
    key=("patient_key", "time_point"),
    fields=(
        PATIENT_KEY,
        text("time_point", "time point", length=40, required=True),
        choice("reason", "reason", v.MISSING, required=True),
        note(),
    ),
    references=(TO_PATIENT,),
)
OPIOID = Entity(
    name="opioid_dose",
    label="Opioid",
    help="One opioid that the patient took at a visit.",
    key=("patient_key", "visit_no", "opioid_no"),
    fields=(
        PATIENT_KEY,
        VISIT_NO,
        integer("opioid_no", "opioid", 1, 20, required=True),
        text("drug", "drug", length=40, required=True, help="As named in the conversion table."),
        choice("route", "route", v.OPIOID_ROUTE, required=True),
        number("dose", "dose", 0.01, 5000, required=True),
        choice("unit", "unit of the dose", v.DOSE_UNIT, required=True),
    ),
    references=(_TO_VISIT,),
)
ROOT = Entity(
    name="root_status",
    label="Nerve root",
    help="Strength and feeling in the area of one nerve root at a visit.",
    key=("patient_key", "visit_no", "root", "side"),
    fields=(
        PATIENT_KEY,
        VISIT_NO,
        choice("root", "root", v.ROOT, required=True),
        choice("side", "side", v.ROOT_SIDE, required=True),
        integer("motor", "motor grade", 0, 5),
        choice("sensation", "feeling in the dermatome", v.SENSATION),
    ),
    references=(_TO_VISIT,),
)
IMAGING = Entity(
    name="imaging",
    label="Follow-up imaging",
    help="One examination.",
    key=("patient_key", "imaging_no"),
    fields=(
        PATIENT_KEY,
        integer("imaging_no", "examination", 1, 999, required=True),
        date("date", "date", required=True),
        choice("modality", "modality", v.MODALITY, required=True),
        choice("contrast", "contrast", v.YES_NO_UNKNOWN),
        choice("evaluable", "evaluable for local control", v.YES_NO, required=True),
        note(),
    ),
    references=(TO_PATIENT,),
    date="date",
)
RESPONSE = Entity(
    name="response",
    label="Response of a lesion",
    help="What one examination showed of one lesion.",
    key=("patient_key", "imaging_no", "lesion_no"),
    fields=(
        PATIENT_KEY,
        integer("imaging_no", "examination", 1, 999, required=True),
        LESION_NO,
        choice("criterion", "criterion", grades.CRITERION, required=True),
        choice("response", "response", grades.RESPONSE),
        choice("progression", "locoregional progression", v.PROGRESSION, required=True),
    ),
    references=(Reference("imaging", ("patient_key", "imaging_no")), TO_LESION),
    checks=(
        Check(
            "pd_is_progression",
            "response IS NULL OR response <> 'pd' OR progression = 'yes'",
            ("progression", "response"),
            "progressive disease without progression",
            "set progression to yes, or correct the response",
        ),
    ),
)
EVENT = Entity(
    name="event",
    label="Later event",
    help="Another treatment or a fracture after the first procedure.",
    key=("patient_key", "event_no"),
    fields=(
        PATIENT_KEY,
        integer("event_no", "event", 1, 999, required=True),
        date("date", "date", required=True),
        choice("kind", "kind", v.EVENT_KIND, required=True),
        optional_lesion(),
        note(),
    ),
    references=(TO_PATIENT, TO_LESION),
    date="date",
)
ENTITIES = (VISIT, MISSED, OPIOID, ROOT, IMAGING, RESPONSE, EVENT)
