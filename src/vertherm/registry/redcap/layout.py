"""The record as a longitudinal REDCap project: arms, events, and which forms repeat.

Arm 1 holds the patients, one record each, named by their key. Arm 2 holds the series, one record each, named by the
series: its own data, its statements and its visit windows. Every entity is a form; an entity with a number or a
further key repeats. Dates stay in the fields: events group forms, they are no time points.
"""

from __future__ import annotations

from dataclasses import dataclass

from vertherm.registry.redcap.names import event_name
from vertherm.registry.schema import followup, patient, procedure, study
from vertherm.registry.schema.field import Entity


@dataclass(frozen=True)
class Event:
    """One event of an arm and its forms in order."""

    label: str
    arm: int
    forms: tuple[Entity, ...]

    @property
    def name(self) -> str:
        """Its unique name in REDCap."""
        return event_name(self.label, self.arm)


ARMS = ((1, "Patients"), (2, "Series"))
EVENTS = (
    Event("Enrolment", 1, tuple(item for item in patient.ENTITIES if item.name != "death")),
    Event("Procedures", 1, procedure.ENTITIES),
    Event("Follow up", 1, (*followup.ENTITIES, patient.DEATH)),
    Event("Series", 2, study.ENTITIES),
)
FORMS: tuple[Entity, ...] = tuple(form for event in EVENTS for form in event.forms)
"""All forms in the order of the dictionary; the first one holds the record id."""
EVENT_OF = {form.name: event for event in EVENTS for form in event.forms}


def repeats(form: Entity) -> bool:
    """True where a record can have several of a form."""
    return len(form.key) > 1


def arms_table() -> list[tuple[str, ...]]:
    """Arms as REDCap takes them, heading first."""
    return [("arm_num", "name"), *((str(number), name) for number, name in ARMS)]


def events_table() -> list[tuple[str, ...]]:
    """Events as REDCap takes them, heading first."""
    heading = ("event_name", "arm_num", "day_offset", "offset_min", "offset_max", "unique_event_name")
    rows = [(event.label, str(event.arm), str(place), "0", "0", event.name) for place, event in enumerate(EVENTS)]
    return [heading, *rows]


def mapping_table() -> list[tuple[str, ...]]:
    """Which form belongs to which event, heading first."""
    rows = [(str(event.arm), event.name, form.name) for event in EVENTS for form in event.forms]
    return [("arm_num", "unique_event_name", "form"), *rows]


def repeating_table() -> list[tuple[str, ...]]:
    """Repeating forms, heading first."""
    rows = [(event.name, form.name, "") for event in EVENTS for form in event.forms if repeats(form)]
    return [("event_name", "form_name", "custom_form_label"), *rows]
