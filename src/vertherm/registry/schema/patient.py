"""Patient, death, lesion."""

from __future__ import annotations

from vertherm.clinical import grades, sins
from vertherm.clinical import vocabularies as v
from vertherm.registry.schema.common import LESION_NO, PATIENT_KEY, TO_PATIENT, needs, together
from vertherm.registry.schema.field import Check, Entity, Reference, choice, date, integer, note, number, text
from vertherm.registry.schema.study import SERIES_KEY

PATIENT = Entity(
    name="patient",
    label="Patient",
    help="One person, under a pseudonym.",
    key=("patient_key",),
    fields=(
        PATIENT_KEY,
        SERIES_KEY,
        choice("synthetic", "synthetic", v.YES_NO, required=True, help="yes: made up to test the software."),
        choice("sex", "sex", v.SEX, required=True),
        integer("birth_year", "year of birth", 1900, 2100, identifier=True),
        integer("age", "age at first procedure", 0, 115, "years"),
        choice("primary_tumour", "primary tumour", v.PRIMARY_TUMOUR, required=True),
        text("primary_tumour_text", "primary tumour, other", free_text=True),
        choice("prior_radiotherapy", "radiotherapy of the spine before", v.YES_NO_UNKNOWN, required=True),
        choice("systemic_therapy", "systemic therapy at first procedure", v.YES_NO_UNKNOWN, required=True),
        choice("performance_scale", "performance scale", v.PERFORMANCE_SCALE),
        integer("performance", "performance status", 0, 100),
        date("last_contact", "last known to be alive"),
        note(),
    ),
    references=(Reference("series", ("series",)),),
    checks=(
        Check(
            "key_characters",
            "patient_key <> '' AND replace(patient_key, '|', '') = patient_key",
            ("patient_key",),
            "this cannot be a key",
            "use letters, digits, dot, dash and underscore",
        ),
        together("performance_pair", ("performance", "performance_scale"), "performance status and its scale"),
        Check(
            "performance_range",
            "performance IS NULL OR (performance_scale = 'ecog' AND performance <= 5) "
            "OR (performance_scale = 'kps' AND performance % 10 = 0)",
            ("performance", "performance_scale"),
            "outside its scale",
            "ECOG runs from 0 to 5, Karnofsky from 0 to 100 in tens",
        ),
        needs("primary_tumour_text", "primary_tumour", ("other", "unknown"), "text beside a coded tumour"),
    ),
)
DEATH = Entity(
    name="death",
    label="Death",
    help="When and why a patient died; no row means not known to have died.",
    key=("patient_key",),
    fields=(
        PATIENT_KEY,
        date("date", "date of death", required=True),
        choice("cause", "cause", v.DEATH_CAUSE, required=True),
        choice("attribution", "attribution to the procedure", v.ATTRIBUTION),
        note(),
    ),
    references=(TO_PATIENT,),
)
_REGION = " OR ".join(
    f"(region = '{region}' AND level LIKE '{letter}%')"
    for letter, region in (("C", "cervical"), ("T", "thoracic"), ("L", "lumbar"), ("S", "sacral"))
)
_POINTS = " + ".join(
    f"CASE {name} " + " ".join(f"WHEN '{code}' THEN {points}" for code, points in codes.items()) + " END"
    for name, codes in sins.POINTS.items()
)
LESION = Entity(
    name="lesion",
    label="Lesion",
    help="One spinal tumour of a patient.",
    key=("patient_key", "lesion_no"),
    fields=(
        PATIENT_KEY,
        LESION_NO,
        choice("level", "level", v.LEVEL, required=True),
        choice("region", "region", v.REGION, required=True, computed=True),
        choice("side", "side", v.SIDE, required=True),
        choice("part", "part of the vertebra", v.PART, required=True),
        choice("level_confirmed", "level confirmed by a person", v.YES_NO_UNKNOWN),
        choice("counting_rule", "how the level was counted", v.COUNTING_RULE),
        choice("kind", "appearance on CT", v.LESION_KIND, required=True),
        number("size_1_mm", "longest diameter", 1, 300, "mm"),
        number("size_2_mm", "second diameter", 1, 300, "mm"),
        number("size_3_mm", "third diameter", 1, 300, "mm"),
        number("volume_ml", "volume", 0.001, 2000, "mL"),
        *(choice(name, f"SINS: {name[5:]}", vocabulary) for name, vocabulary in sins.COMPONENTS.items()),
        integer("sins_total", "SINS", 0, 18, computed=True),
        choice("escc", "epidural compression (Bilsky)", grades.ESCC),
        choice("posterior_wall", "posterior wall", v.POSTERIOR_WALL),
        choice("pathological_fracture", "pathological fracture", v.YES_NO_UNKNOWN),
        choice("prior_radiotherapy", "radiotherapy of this lesion before", v.YES_NO_UNKNOWN),
        number("prior_radiotherapy_gy", "dose of that radiotherapy", 0.1, 200, "Gy"),
        note(),
    ),
    references=(TO_PATIENT,),
    checks=(
        Check("region_of_level", _REGION, ("region", "level"), "the region does not hold this level", "leave it empty"),
        Check(
            "sins_sum",
            f"sins_total IS NULL OR ({_POINTS}) IS NULL OR sins_total = {_POINTS}",
            ("sins_total", *sins.POINTS),
            "the total is not the sum of its components",
            "leave the total empty, it is computed",
        ),
        Check(
            "sizes_order",
            "(size_2_mm IS NULL OR size_1_mm >= size_2_mm) AND (size_3_mm IS NULL OR size_2_mm >= size_3_mm)",
            ("size_1_mm", "size_2_mm", "size_3_mm"),
            "diameters are not in falling order",
            "put the longest first",
        ),
        needs("prior_radiotherapy_gy", "prior_radiotherapy", ("yes",), "a dose without radiotherapy"),
    ),
    unique=(("patient_key", "level", "side", "part"),),
)
ENTITIES = (PATIENT, DEATH, LESION)
