"""Names of variables, forms and events in REDCap."""

from __future__ import annotations

import re
from functools import cache

from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES
from vertherm.registry.schema.field import Entity

RECORD_ID = "record_id"
EVENT = "redcap_event_name"
REPEAT_FORM = "redcap_repeat_instrument"
REPEAT_NUMBER = "redcap_repeat_instance"
SYSTEM_COLUMNS = (
    "redcap_data_access_group",
    "redcap_survey_identifier",
    "redcap_survey_timestamp",
)
"""Columns that REDCap may add to an export and that hold no record data."""
LONGEST = 26
"""Length from which REDCap warns of a long variable name; 100 is its limit."""

PREFIXES = {
    "series": "ser",
    "series_statement": "stm",
    "visit_window": "win",
    "patient": "pat",
    "death": "dth",
    "lesion": "les",
    "procedure": "prc",
    "treatment": "trt",
    "activation": "act",
    "cement_leak": "lek",
    "protection": "prt",
    "thermocouple": "tmc",
    "thermocouple_reading": "tmr",
    "complication": "cmp",
    "plan_link": "pln",
    "visit": "vis",
    "missed_visit": "mis",
    "opioid_dose": "opi",
    "root_status": "rot",
    "imaging": "img",
    "response": "rsp",
    "treated_zone": "tzn",
    "zone_prediction": "zpr",
    "event": "evt",
}
"""What the variables of each form begin with, so that their names are unique in a project."""


def variable(entity: Entity, field: str) -> str:
    """Name of a field's variable; the first key of every entity is the record's own id."""
    if field == entity.key[0]:
        return RECORD_ID
    return f"{PREFIXES[entity.name]}_{field}"


@cache
def fields_of(name: str) -> dict[str, str]:
    """Field by variable of an entity, the record id left out."""
    entity = BY_NAME[name]
    return {variable(entity, field): field for field in entity.columns if field != entity.key[0]}


@cache
def all_variables() -> dict[str, tuple[str, str]]:
    """Entity and field by variable, in order of the forms."""
    return {
        variable_: (entity.name, field) for entity in ENTITIES for variable_, field in fields_of(entity.name).items()
    }


def status_variable(form: str) -> str:
    """The variable that says whether a form is complete."""
    return f"{form}_complete"


def event_name(label: str, arm: int) -> str:
    """Unique name that REDCap gives an event of an arm."""
    return f"{re.sub(r'[^a-z0-9]+', '_', label.lower()).strip('_')}_arm_{arm}"
