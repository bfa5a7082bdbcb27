"""Runs the migrations on the connection that the caller hands over, inside the caller's transaction."""

from __future__ import annotations

from alembic import context

from vertherm.registry.schema import system
from vertherm.registry.schema.tables import METADATA

assert system.AUDIT.metadata is METADATA  # its tables count among those to migrate
context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
