"""Registries on both databases."""

from tests.servers.fixtures import (  # noqa: F401
    database,
    dialect,
    empty_database,
    own_key,
    registry,
    registry_templates,
)
