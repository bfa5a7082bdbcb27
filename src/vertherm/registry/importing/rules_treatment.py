"""What was done, against itself: lesions, treatments, activations, cement, temperatures."""

from __future__ import annotations

from collections.abc import Iterator

from vertherm.clinical import sins
from vertherm.clinical.levels import Level
from vertherm.registry.importing.rule import Rule
from vertherm.registry.schema.catalogue import ENTITIES
from vertherm.registry.schema.common import TO_LESION, TO_PROCEDURE

_KEYS = "USING (patient_key, procedure_no, lesion_no)"
_LOCATION = "CASE l.level " + " ".join(f"WHEN '{item.value}' THEN '{sins.location(item)}'" for item in Level) + " END"
_ROUNDING = "1.02"
"""Sums may exceed their total by 2 %: both are rounded when they are written down."""
_ESTIMATED = "1.1"
"""Leaks may exceed the cement injected by 10 %: they are estimated from images."""


def treatment_rules() -> Iterator[Rule]:
    """All rules on lesions and treatments."""
    for entity in ENTITIES:
        if TO_PROCEDURE in entity.references and TO_LESION in entity.references and entity.name != "treatment":
            yield Rule(
                "lesion_not_treated",
                entity.name,
                "lesion_no",
                f"SELECT t._row, NULL, t.lesion_no, t.procedure_no FROM {entity.name} t JOIN lesion l "
                f"USING (patient_key, lesion_no) WHERE NOT EXISTS (SELECT 1 FROM treatment u WHERE "
                f"u.patient_key = t.patient_key AND u.procedure_no = t.procedure_no AND u.lesion_no = t.lesion_no)",
                "lesion {0} was not treated in procedure {1}",
                "correct the number of the lesion or of the procedure, or leave the lesion empty",
                needs=("patient_key", "procedure_no"),
                reads=("treatment", "lesion"),
            )
    yield from _LESIONS
    yield from _ACTIVATIONS
    yield from _CEMENT
    yield from _OTHERS


_LESIONS = (
    Rule(
        "sins_location",
        "lesion",
        "sins_location",
        f"SELECT l._row, NULL, l.level, {_LOCATION} AS right_one FROM lesion l WHERE l.sins_location <> right_one",
        "{0} counts as {1} in SINS",
        "write {1}, or correct the level",
    ),
    Rule(
        "radiotherapy_contradicts",
        "lesion",
        "prior_radiotherapy",
        "SELECT l._row, p._row FROM lesion l JOIN patient p USING (patient_key) "
        "WHERE l.prior_radiotherapy = 'yes' AND p.prior_radiotherapy = 'no'",
        "radiotherapy of this lesion before, but the patient is recorded as having had none",
        "correct one of the two",
        other="patient",
        other_column="prior_radiotherapy",
    ),
)
_ACTIVATIONS = (
    Rule(
        "activation_too_long",
        "activation",
        "time_s",
        f"SELECT a._row, t._row, a.time_s, t.ablation_time_s FROM activation a JOIN treatment t {_KEYS} "
        f"WHERE a.time_s > t.ablation_time_s * {_ROUNDING} + 1",
        "one activation of {0} s cannot be part of an ablation time of {1} s",
        "check the times and their unit (seconds)",
        other="treatment",
        other_column="ablation_time_s",
    ),
    Rule(
        "activation_times_sum",
        "treatment",
        "ablation_time_s",
        f"SELECT t._row, max(a._row), sum(a.time_s), t.ablation_time_s FROM treatment t JOIN activation a {_KEYS} "
        f"WHERE t.needles = 1 GROUP BY t.patient_key, t.procedure_no, t.lesion_no "
        f"HAVING sum(a.time_s) > t.ablation_time_s * {_ROUNDING} + 1 AND max(a.time_s) <= t.ablation_time_s",
        "with one antenna its activations cannot add up to {0} s within {1} s",
        "check the times and their unit (seconds)",
        other="activation",
        other_column="time_s",
    ),
    Rule(
        "activation_energies_sum",
        "treatment",
        "energy_kj",
        f"SELECT t._row, max(a._row), round(sum(a.energy_kj), 3), t.energy_kj FROM treatment t "
        f"JOIN activation a {_KEYS} WHERE a.energy_kind = t.energy_kind "
        f"GROUP BY t.patient_key, t.procedure_no, t.lesion_no "
        f"HAVING sum(a.energy_kj) > t.energy_kj * {_ROUNDING} + .01",
        "its activations delivered {0} kJ, more than the whole treatment ({1} kJ)",
        "check the energies and their unit (kilojoules)",
        other="activation",
        other_column="energy_kj",
    ),
    Rule(
        "needle_beyond_number",
        "activation",
        "needle_no",
        f"SELECT a._row, t._row, a.needle_no, t.needles FROM activation a JOIN treatment t {_KEYS} "
        f"WHERE a.needle_no > t.needles",
        "antenna {0} of a treatment with {1} antennas",
        "correct the number of the antenna or of antennas",
        other="treatment",
        other_column="needles",
    ),
    Rule(
        "activation_without_ablation",
        "activation",
        "activation_no",
        f"SELECT a._row, t._row FROM activation a JOIN treatment t {_KEYS} WHERE t.ablation = 'no'",
        "an activation in a treatment without ablation",
        "set ablation to yes, or take the activation out",
        other="treatment",
        other_column="ablation",
    ),
)
_CEMENT = (
    Rule(
        "leak_without_cement",
        "cement_leak",
        "site",
        f"SELECT l._row, t._row FROM cement_leak l JOIN treatment t {_KEYS} "
        f"WHERE t.cement = 'no' OR t.cement_leakage = 'no'",
        "a leak in a treatment that is recorded as without cement or without leakage",
        "correct the treatment, or take the leak out",
        other="treatment",
        other_column="cement_leakage",
    ),
    Rule(
        "leak_volume",
        "treatment",
        "cement_volume_ml",
        f"SELECT t._row, max(l._row), round(sum(l.volume_ml), 3), t.cement_volume_ml FROM treatment t "
        f"JOIN cement_leak l {_KEYS} GROUP BY t.patient_key, t.procedure_no, t.lesion_no "
        f"HAVING sum(l.volume_ml) > t.cement_volume_ml * {_ESTIMATED}",
        "{0} mL leaked, more than the {1} mL injected",
        "check the volumes",
        other="cement_leak",
        other_column="volume_ml",
    ),
)
_OTHERS = (
    Rule(
        "first_twice",
        "treatment",
        "intent",
        "SELECT t._row, u._row, u.procedure_no, t.procedure_no FROM treatment t JOIN treatment u "
        "USING (patient_key, lesion_no) WHERE u.procedure_no < t.procedure_no "
        "AND t.intent = 'first' AND u.intent = 'first'",
        "the lesion is recorded as treated for the first time in procedure {0} and in procedure {1}",
        "set the later one to retreatment",
        other="treatment",
        other_column="intent",
    ),
    Rule(
        "reading_above_peak",
        "thermocouple_reading",
        "temperature_c",
        "SELECT r._row, t._row, r.temperature_c, t.peak_temperature_c FROM thermocouple_reading r "
        "JOIN thermocouple t USING (patient_key, procedure_no, thermocouple_no) "
        "WHERE r.temperature_c > t.peak_temperature_c + .5",
        "{0} °C exceeds the highest reading of this thermocouple, {1} °C",
        "correct one of the two",
        other="thermocouple",
        other_column="peak_temperature_c",
    ),
    Rule(
        "hash_digits",
        "plan_link",
        "sha256",
        "SELECT t._row, NULL FROM plan_link t WHERE t.sha256 GLOB '*[^0-9a-fA-F]*'",
        "not a SHA-256",
        "give its 64 hexadecimal digits",
    ),
    Rule(
        "hash_digits",
        "treated_zone",
        "document_sha256",
        "SELECT t._row, NULL FROM treated_zone t WHERE t.document_sha256 GLOB '*[^0-9a-fA-F]*'",
        "not a SHA-256",
        "give its 64 hexadecimal digits",
    ),
)
