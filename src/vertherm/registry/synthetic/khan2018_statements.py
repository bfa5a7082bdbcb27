"""What the abstract of Khan et al. 2018 states, what it leaves open, and what the synthetic series assumes instead.

Rows of ``series_statement``: kind, item, value, source. Only the abstract and the list of abbreviations were read.
"""

from __future__ import annotations

from typing import TypeAlias

Statement: TypeAlias = tuple[str, str, str | None, str | None]
_ABSTRACT = "Khan et al., AJNR 2018;39:1376-1383, abstract, doi:10.3174/ajnr.A5680"
_OURS = "choice of the generator, no source"

_STATED = (
    ("design", "retrospective review, one group"),
    ("patients", "69"),
    ("lesions", "102 painful spinal metastases and myeloma lesions"),
    ("treatment", "percutaneous microwave ablation and cementoplasty"),
    ("period of the procedures", "January 2015 to October 2016"),
    ("anaesthesia", "general"),
    ("guidance", "image guidance, modality not named"),
    ("lesions by region", "cervical 2, thoracic 50, lumbar 34, sacral 16"),
    (
        "primary tumours",
        "multiple myeloma 10, breast 27, lung 12, thyroid 6, prostate 5, colon 4, renal cell 3, oral squamous cell 1, "
        "adenocarcinoma of unknown origin 1 (they add up to 69: counted by patient)",
    ),
    ("ablation time", "median 4 min 30 s ± 7 s"),
    ("energy", "median 4.1 ± 1.6 kJ"),
    ("time points of pain", "before, 2-4 weeks and 20-24 weeks after the procedure"),
    ("VAS before", "median 7.0 ± 1.8"),
    ("VAS at 2-4 weeks", "median 2 ± 1.6"),
    ("VAS at 20-24 weeks", "median 2 ± 2.1"),
    ("deaths within 6 months of the procedure", "8"),
    ("local control at 20-24 weeks, surviving patients", "59 of 61 without locoregional progression"),
    ("follow-up imaging", "cross-sectional"),
    ("complications", "2: thermal injury of the S1 nerve, skin burn"),
)
_UNSTATED = (
    "kind of the ± values beside the medians (standard deviation, standard error, interquartile range)",
    "number of patients with a VAS at each time point",
    "handling of missing visits",
    "statistical test of the change in pain",
    "whether time and energy are per lesion, per activation or per procedure",
    "kind of energy (forward, net or absorbed)",
    "number of procedures, and of lesions treated in one",
    "number of lesions per patient",
    "re-treatment of a lesion",
    "levels within the regions",
    "whether all 61 survivors were imaged and evaluable",
    "modality and contrast of the follow-up imaging",
    "criterion of locoregional progression",
    "which lesions progressed, and when",
    "dates and causes of death",
    "sex and age",
    "prior radiotherapy (the abbreviation is listed, no number)",
    "systemic therapy",
    "performance status",
    "appearance of the lesions (lytic, blastic, mixed), size, side and part of the vertebra",
    "SINS, epidural compression, posterior wall, pathological fracture",
    "inclusion and exclusion criteria",
    "generator, applicator, frequency, power, number of antennas and cycles",
    "needle approach and positioning",
    "thermoprotection and temperature monitoring",
    "cement type and volume",
    "cement leakage",
    "technical success",
    "CT dose",
    "Oswestry Disability Index (the abbreviation is listed, no value)",
    "opioid doses",
    "neurological status",
    "grade, onset, treatment and outcome of the complications, and their lesions",
    "treatments after the procedure",
)
_ASSUMED = (
    ("the ± values", "sample standard deviations (n - 1)"),
    ("VAS values", "whole numbers of 0-10, at least 3 before the procedure; correlated within a patient"),
    ("number with a VAS", "69 before, 69 at 2-4 weeks, 61 (all survivors) at 20-24 weeks"),
    ("visit dates", "uniform within the windows: day -14 to 0, 16 to 28, 142 to 168"),
    ("visits outside the windows", "6 survivors have one more visit between day 45 and 110"),
    ("windows", "days -90 to 0, 14 to 28 and 140 to 168 after the patient's first procedure"),
    ("time and energy", "per treatment of a lesion, one treatment a lesion: 102 values"),
    ("energy kind", "stored as not stated"),
    ("lesions per patient", "one to four, dealt at random"),
    ("procedures", "one a patient; 5 patients with several lesions have the last one treated 3 to 9 days later"),
    ("re-treatment", "none"),
    (
        "procedure dates",
        "working days, uniform over the stated months; first and last day of the period are those of its months",
    ),
    ("levels", "drawn at random within the stated region; at least one lesion is in S1"),
    ("cement", "in all 102 lesions; type and leakage unknown, volume left empty"),
    ("deaths", "between day 35 and 135, after the 2-4 week visit; cause unknown"),
    ("survivors", "all 61 imaged once between day 149 and 168, evaluable; modality not specified"),
    ("progression", "one lesion in each of 2 patients, first seen at that imaging; criterion stored as not stated"),
    ("last contact of survivors", "between day 183 and 199, because deaths within 6 months are counted"),
    ("sex", "female with breast, male with prostate cancer, otherwise even chances"),
    ("age", "normal, mean 62, standard deviation 12, cut at 30 and 90 years"),
    ("nerve injury", "at a lesion in S1; side unknown; onset on the day of the procedure; definitely related"),
    ("skin burn", "in another patient; onset on the day of the procedure; definitely related"),
    ("grades and outcome of complications", "left empty, outcome unknown"),
    ("prior radiotherapy, systemic therapy, side, part and appearance of lesions, technical success", "unknown"),
    ("ODI and opioids", "missing, reason unknown"),
    ("all other fields", "left empty"),
)

STATEMENTS: tuple[Statement, ...] = (
    *(("stated", item, value, _ABSTRACT) for item, value in _STATED),
    *(("unstated", item, None, _ABSTRACT) for item in _UNSTATED),
    *(("assumption", item, value, _OURS) for item, value in _ASSUMED),
)
"""Kind, item, value and source, in the order in which they are numbered."""
