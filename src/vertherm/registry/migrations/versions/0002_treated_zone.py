"""Treated zones of follow-up imaging, and what had been predicted of them: two more tables, no change of the others.

Revision ID: 0002
"""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

from vertherm.registry import triggers
from vertherm.registry.engine import execute_literal

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DOUBLE = {"sqlite": "DOUBLE", "postgresql": "DOUBLE PRECISION"}
_DATED = {"procedure": "date", "complication": "onset", "visit": "date", "imaging": "date", "event": "date"}


def upgrade() -> None:
    """Make the tables of 0002_treated_zone.sql, and put the triggers on every table anew."""
    connection = op.get_bind()
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    text = re.sub(r"^--.*\n", "", text, flags=re.MULTILINE).replace("{double}", _DOUBLE[connection.dialect.name])
    for statement in text.split(";\n"):
        if statement.strip():
            execute_literal(connection, statement.strip())
    triggers.install(connection, _DATED)


def downgrade() -> None:
    """What was entered since would be lost."""
    raise NotImplementedError("this revision cannot be undone; restore the backup made before it instead")
