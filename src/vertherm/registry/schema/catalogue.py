"""All entities, parents before children."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from vertherm.registry.schema import followup, patient, procedure, study
from vertherm.registry.schema.field import Entity

SCHEMA_VERSION = 2
SINCE = MappingProxyType({"treated_zone": 2, "zone_prediction": 2})
"""Schema version that brought a table; 1 for every other one. No field of an older table has changed so far."""
ENTITIES: tuple[Entity, ...] = (*study.ENTITIES, *patient.ENTITIES, *procedure.ENTITIES, *followup.ENTITIES)
BY_NAME = MappingProxyType({entity.name: entity for entity in ENTITIES})
DATED: tuple[Entity, ...] = tuple(entity for entity in ENTITIES if entity.date)
"""Entities whose rows may not lie after the patient's death."""


def content_version(entities: Iterable[str]) -> int:
    """Oldest schema version that has all of these tables: data hash alike before and after tables were added."""
    return max((SINCE.get(name, 1) for name in entities), default=1)
