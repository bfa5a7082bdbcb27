"""Migrations: the steps that bring a database to the present schema, the same ones on SQLite and PostgreSQL.

They are part of the package and run from the program (`vertherm registry init`), never by hand. Every step runs inside
the transaction of its caller, so that a step which fails leaves the database as it was.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from vertherm.registry.schema.system import REVISION

FOLDER = Path(__file__).parent


def upgrade(connection: sa.Connection, revision: str = REVISION) -> None:
    """Bring the database behind ``connection`` to ``revision``; the caller commits."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def revisions() -> list[str]:
    """All revisions of this program, oldest first."""
    from alembic.script import ScriptDirectory

    return [script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions()][::-1]


def revision_of(connection: sa.Connection) -> str | None:
    """Revision of a database, None where no migration ever ran."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
