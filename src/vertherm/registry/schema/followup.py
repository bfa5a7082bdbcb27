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


def _covered(goal: str) -> str:
    """SQL: the lower end of the margin, or of the margin within the bone, reaches ``goal``; unknown counts as kept."""
    # Bounds and goal are rounded to a thousandth on their own.
    least = f"{goal} - 0.001"
    return (
        f"coalesce(margin_low_mm, bone_margin_low_mm, {goal}) >= {least} OR coalesce(bone_margin_low_mm, -1) >= {least}"
    )


def _ascending(name: str) -> Check:
    low, middle, high = f"{name}_low_mm", f"{name}_mm", f"{name}_high_mm"
    return Check(
        f"{name}_order",
        f"{low} <= {middle} AND {middle} <= {high} AND {low} <= {high}",
        (middle, low, high),
        "the margin does not lie within its own band",
        "give the lower end, the margin and the upper end in ascending order",
    )


def _margin(name: str, label: str) -> tuple[Field, ...]:
    return (
        number(f"{name}_mm", label, -100, 100, "mm", help="Negative where the zone ends inside the lesion."),
        number(f"{name}_low_mm", f"{label}, lower end of the 95 % band", -100, 100, "mm"),
        number(f"{name}_high_mm", f"{label}, upper end of the 95 % band", -100, 100, "mm"),
    )


_ZONE_KEY = ("patient_key", "imaging_no", "lesion_no")
TREATED_ZONE = Entity(
    name="treated_zone",
    label="Treated zone",
    help="The treated zone of one lesion at one examination against the lesion, as a reader confirmed it.",
    key=_ZONE_KEY,
    fields=(
        PATIENT_KEY,
        integer("imaging_no", "examination", 1, 999, required=True),
        LESION_NO,
        choice("zone_source", "how the zone was found", v.ZONE_SOURCE, required=True),
        number("volume_ml", "volume of the zone", 0, 2000, "mL"),
        number("long_mm", "extent along the antenna", 0, 500, "mm"),
        number("short_mm", "largest extent across the antenna", 0, 500, "mm"),
        number("edge_sd_mm", "standard deviation of the zone's edge", 0, 50, "mm"),
        number("registration_error_mm", "registration error at the lesion, 95 % radius", 0, 100, "mm"),
        number("goal_mm", "margin aimed at", 0, 50, "mm"),
        *_margin("margin", "smallest margin"),
        *_margin("bone_margin", "smallest margin within the bone"),
        number("coverage_share", "share of the lesion's volume inside the zone", 0, 1),
        choice("coverage", "coverage of the lesion", v.COVERAGE, required=True),
        number("cement_ml", "cement seen", 0, 100, "mL"),
        number("cement_canal_ml", "cement in the spinal canal", 0, 100, "mL"),
        number("cement_disc_ml", "cement in discs", 0, 100, "mL"),
        number("cement_elsewhere_ml", "cement elsewhere outside the vertebra", 0, 100, "mL"),
        text("confirmed_by", "reader who confirmed it", identifier=True, required=True),
        text("document_sha256", "SHA-256 of the verification", length=64, identifier=True),
        note(),
    ),
    references=(Reference("imaging", ("patient_key", "imaging_no")), TO_LESION),
    checks=(
        _ascending("margin"),
        _ascending("bone_margin"),
        Check(
            "covered_by_its_margin",
            f"coverage NOT IN ('covered', 'covered_with_margin') OR {_covered('0')}",
            ("coverage", "margin_low_mm", "bone_margin_low_mm"),
            "called covered, but the lower end of the margin lies below 0 mm",
            "the lower end of the band decides, never its middle: correct the class or the margin",
        ),
        Check(
            "covered_with_its_margin",
            f"coverage <> 'covered_with_margin' OR {_covered('goal_mm')}",
            ("coverage", "goal_mm", "margin_low_mm", "bone_margin_low_mm"),
            "called covered with margin, but the lower end of the margin lies below the margin aimed at",
            "the lower end of the band decides, never its middle: correct the class or the margin",
        ),
        Check(
            "cement_sites",
            "cement_ml IS NOT NULL OR "
            "(cement_canal_ml IS NULL AND cement_disc_ml IS NULL AND cement_elsewhere_ml IS NULL)",
            ("cement_ml", "cement_canal_ml", "cement_disc_ml", "cement_elsewhere_ml"),
            "cement by site without the volume of all cement",
            "give the volume of all cement, too",
        ),
        Check(
            "zone_hash_length",
            "length(document_sha256) = 64",
            ("document_sha256",),
            "not a SHA-256",
            "give its 64 hexadecimal digits",
        ),
    ),
)
ZONE_PREDICTION = Entity(
    name="zone_prediction",
    label="Predicted zone",
    help="What one metric had predicted of a treated zone, and how alike the two are.",
    key=(*_ZONE_KEY, "metric"),
    fields=(
        PATIENT_KEY,
        integer("imaging_no", "examination", 1, 999, required=True),
        LESION_NO,
        text("metric", "metric of the zone", length=60, required=True, help="For instance isotherm_60 or cem43_240."),
        text("device", "antenna and frequency", length=300),
        number("predicted_ml", "predicted volume", 0.001, 2000, "mL", required=True),
        number("predicted_long_mm", "predicted extent along the antenna", 0.1, 500, "mm"),
        number("predicted_short_mm", "predicted largest extent across the antenna", 0.1, 500, "mm"),
        number("dice", "overlap of both zones (Dice)", 0, 1),
        number("mean_distance_mm", "mean distance of the surfaces", 0, 500, "mm"),
        number("hausdorff95_mm", "95 % Hausdorff distance", 0, 500, "mm"),
        number("signed_mm", "mean distance of the treated surface beyond the predicted one", -500, 500, "mm"),
    ),
    references=(Reference("treated_zone", _ZONE_KEY),),
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
ENTITIES = (VISIT, MISSED, OPIOID, ROOT, IMAGING, RESPONSE, TREATED_ZONE, ZONE_PREDICTION, EVENT)
