"""All entities, parents before children."""

from __future__ import annotations

from types import MappingProxyType

from vertherm.registry.schema import followup, patient, procedure, study
from vertherm.registry.schema.field import Entity

SCHEMA_VERSION = 1
ENTITIES: tuple[Entity, ...] = (*study.ENTITIES, *patient.ENTITIES, *procedure.ENTITIES, *followup.ENTITIES)
BY_NAME = MappingProxyType({entity.name: entity for entity in ENTITIES})
DATED: tuple[Entity, ...] = tuple(entity for entity in ENTITIES if entity.date)
"""Entities whose rows may not lie after the patient's death."""
