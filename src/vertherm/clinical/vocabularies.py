"""The vocabularies of the record: patient, lesion, procedure, follow-up. Graded scales live in their own modules."""

from __future__ import annotations

from vertherm.clinical.levels import CountingRule, Level, Region
from vertherm.clinical.pathology import LesionKind, Pathology
from vertherm.clinical.vocabulary import Vocabulary, vocabulary

YES_NO = vocabulary("yes_no", [("yes", "yes"), ("no", "no")])
YES_NO_UNKNOWN = vocabulary("yes_no_unknown", [("yes", "yes"), ("no", "no"), ("unknown", "unknown")])
ANSWER = vocabulary("answer", [("yes", "yes"), ("no", "no"), ("not_asked", "not asked")])
SEX = vocabulary("sex", [("female", "female"), ("male", "male"), ("other", "other"), ("unknown", "unknown")])

MISSING = vocabulary(
    "missing",
    [
        ("unknown", "unknown"),
        ("not_done", "not done"),
        ("died", "patient had died"),
        ("lost", "lost to follow-up"),
        ("refused", "patient refused"),
        ("too_ill", "patient too ill"),
    ],
)
MISSING_NUMBERS = {
    "unknown": -999,
    "not_done": -998,
    "died": -997,
    "lost": -996,
    "refused": -995,
    "too_ill": -994,
}
"""Numeric codes of the same reasons, as registries put them into number fields."""

PRIMARY_TUMOUR = vocabulary("primary_tumour", [(item.name, item.value) for item in Pathology], "Khan et al. 2018")
LESION_KIND = vocabulary("lesion_kind", [*((item.name, item.value) for item in LesionKind), ("unknown", "unknown")])
LEVEL = vocabulary("level", [(item.value, item.value) for item in Level])
REGION = vocabulary("region", [(item.value, item.value) for item in Region])
COUNTING_RULE = vocabulary("counting_rule", [(item.name, item.value) for item in CountingRule])
SIDE = vocabulary(
    "side",
    [
        ("left", "left"),
        ("right", "right"),
        ("midline", "midline"),
        ("both", "both sides"),
        ("unknown", "unknown"),
    ],
)
ROOT_SIDE = vocabulary("root_side", [("left", "left"), ("right", "right")])
ROOT = vocabulary(
    "root",
    [
        (f"{letter}{n}", f"{letter}{n}")
        for letter, count in (("C", 8), ("T", 12), ("L", 5), ("S", 5))
        for n in range(1, count + 1)
    ],
)
PART = vocabulary(
    "part",
    [
        ("body", "vertebral body"),
        ("pedicle", "pedicle"),
        ("posterior", "lamina, processes"),
        ("body_and_posterior", "body and posterior elements"),
        ("sacral_ala", "sacral ala"),
        ("other", "other"),
        ("unknown", "unknown"),
    ],
)
POSTERIOR_WALL = vocabulary(
    "posterior_wall",
    [
        ("intact", "intact"),
        ("thinned", "thinned"),
        ("breached", "breached"),
        ("not_applicable", "not applicable"),
        ("not_assessed", "not assessed"),
    ],
)
DAY_ZERO = vocabulary(
    "day_zero",
    [
        ("patient", "the patient's first procedure"),
        ("lesion", "the first treatment of each lesion"),
    ],
)
STATEMENT_KIND = vocabulary(
    "statement_kind",
    [
        ("stated", "stated by the source"),
        ("unstated", "not stated by the source"),
        ("assumption", "assumption of ours"),
    ],
)
PERFORMANCE_SCALE = vocabulary("performance_scale", [("ecog", "ECOG"), ("kps", "Karnofsky")])

ANAESTHESIA = vocabulary(
    "anaesthesia",
    [
        ("general", "general anaesthesia"),
        ("sedation", "conscious sedation"),
        ("regional", "regional or spinal"),
        ("local", "local anaesthesia"),
        ("other", "other"),
        ("unknown", "unknown"),
    ],
)
GUIDANCE = vocabulary(
    "guidance",
    [
        ("ct", "CT"),
        ("ct_fluoroscopy", "CT fluoroscopy"),
        ("fluoroscopy", "fluoroscopy"),
        ("cone_beam_ct", "cone-beam CT"),
        ("ct_and_fluoroscopy", "CT and fluoroscopy"),
        ("mr", "MR"),
        ("other", "other"),
        ("unspecified", "image guidance, not specified"),
    ],
)
POSITION = vocabulary("position", [("prone", "prone"), ("supine", "supine"), ("lateral", "lateral")])
APPROACH = vocabulary(
    "approach",
    [
        ("anterolateral_cervical", "anterolateral cervical"),
        ("transpedicular", "transpedicular"),
        ("parapedicular", "parapedicular"),
        ("costovertebral", "costovertebral"),
        ("posterolateral", "posterolateral"),
        ("sacral_posterior", "posterior sacral"),
        ("transiliac", "transiliac"),
        ("other", "other"),
        ("unknown", "unknown"),
    ],
)
INTENT = vocabulary("intent", [("first", "first treatment"), ("retreatment", "re-treatment")])
ENERGY_KIND = vocabulary(
    "energy_kind",
    [
        ("forward", "forward"),
        ("net", "net"),
        ("absorbed", "absorbed"),
        ("unstated", "not stated"),
    ],
)
CEMENT = vocabulary(
    "cement",
    [
        ("pmma", "PMMA"),
        ("pmma_high_viscosity", "PMMA, high viscosity"),
        ("calcium_phosphate", "calcium phosphate"),
        ("other", "other"),
        ("unknown", "unknown"),
    ],
)
LEAK_SITE = vocabulary(
    "leak_site",
    [
        ("canal", "spinal canal"),
        ("foramen", "neural foramen"),
        ("vein", "vein"),
        ("disc", "disc"),
        ("paravertebral", "paravertebral soft tissue"),
        ("needle_track", "needle track"),
        ("lung", "lung or heart"),
    ],
)
PROTECTION = vocabulary(
    "protection",
    [
        ("co2_dissection", "CO2 dissection"),
        ("fluid_dissection", "fluid dissection"),
        ("thermocouple", "thermocouple"),
        ("skin_cooling", "skin cooling"),
        ("irrigation", "epidural or foraminal irrigation"),
        ("neuromonitoring", "neuromonitoring"),
        ("other", "other"),
    ],
)
OPIOID_ROUTE = vocabulary(
    "opioid_route",
    [("oral", "oral"), ("transdermal", "transdermal"), ("parenteral", "parenteral"), ("sublingual", "sublingual")],
)
DOSE_UNIT = vocabulary("dose_unit", [("mg_per_day", "mg per day"), ("ug_per_h", "µg per hour")])
FRANKEL = vocabulary(
    "frankel",
    [
        ("A", "A: complete"),
        ("B", "B: sensory only"),
        ("C", "C: motor useless"),
        ("D", "D: motor useful"),
        ("E", "E: normal"),
    ],
    "ASIA impairment scale / Frankel, recalled",
)
SENSATION = vocabulary(
    "sensation",
    [
        ("normal", "normal"),
        ("reduced", "reduced"),
        ("absent", "absent"),
        ("increased", "painful or increased"),
        ("not_tested", "not tested"),
    ],
)
MODALITY = vocabulary(
    "modality",
    [
        ("ct", "CT"),
        ("mr", "MR"),
        ("pet_ct", "PET-CT"),
        ("pet_mr", "PET-MR"),
        ("spect", "bone scan or SPECT-CT"),
        ("radiograph", "radiograph"),
        ("unspecified", "cross-sectional imaging, not specified"),
    ],
)
ZONE_SOURCE = vocabulary(
    "zone_source",
    [
        ("segmented", "segmented by the program"),
        ("drawn", "drawn by a reader"),
        ("edited", "segmented by the program, edited by a reader"),
        ("drawn_or_edited", "drawn or edited by a reader, not said which"),
    ],
)
COVERAGE = vocabulary(
    "coverage",
    [
        ("covered_with_margin", "covered with margin"),
        ("covered", "covered"),
        ("not_covered", "not covered"),
        ("not_assessed", "not assessed"),
    ],
)
EVENT_KIND = vocabulary(
    "event_kind",
    [
        ("radiotherapy", "radiotherapy"),
        ("systemic_therapy", "systemic therapy"),
        ("reablation", "repeat ablation"),
        ("surgery", "surgery"),
        ("new_fracture", "new fracture"),
        ("other", "other"),
    ],
)
COMPLICATION = vocabulary(
    "complication",
    [
        ("nerve_injury", "thermal or mechanical nerve injury"),
        ("cord_injury", "cord or cauda injury"),
        ("skin_burn", "skin burn"),
        ("soft_tissue_burn", "burn of muscle or other soft tissue"),
        ("infection", "infection"),
        ("bleeding", "bleeding"),
        ("pneumothorax", "pneumothorax"),
        ("bowel_or_ureter_injury", "bowel or ureter injury"),
        ("fracture", "fracture"),
        ("cement_leak_symptomatic", "symptomatic cement leak"),
        ("cement_embolism", "cement embolism"),
        ("pain_flare", "pain flare"),
        ("anaesthesia", "anaesthetic or cardiopulmonary event"),
        ("death", "death related to the procedure"),
        ("other", "other"),
    ],
)
COMPLICATION_SITE = vocabulary(
    "complication_site",
    [
        ("lesion", "treated lesion"),
        ("nerve_root", "nerve root"),
        ("cord", "cord or cauda"),
        ("needle_track", "needle track"),
        ("skin", "skin"),
        ("adjacent_organ", "adjacent organ"),
        ("systemic", "systemic"),
    ],
)
ATTRIBUTION = vocabulary(
    "attribution",
    [
        ("definite", "definitely related"),
        ("probable", "probably related"),
        ("possible", "possibly related"),
        ("unlikely", "unlikely related"),
        ("unrelated", "not related"),
        ("unknown", "unknown"),
    ],
)
OUTCOME = vocabulary(
    "outcome",
    [
        ("resolved", "resolved"),
        ("resolved_with_sequelae", "resolved with sequelae"),
        ("ongoing", "ongoing"),
        ("fatal", "fatal"),
        ("unknown", "unknown"),
    ],
)
DEATH_CAUSE = vocabulary(
    "death_cause",
    [
        ("tumour", "tumour progression"),
        ("procedure", "related to the procedure"),
        ("other", "other"),
        ("unknown", "unknown"),
    ],
)
PROGRESSION = vocabulary("progression", [("yes", "progression"), ("no", "no progression"), ("ne", "not evaluable")])

ALL: tuple[Vocabulary, ...] = tuple(item for item in list(globals().values()) if isinstance(item, Vocabulary))
