"""Columns under the names that the code has for them."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003_prompts"


def upgrade() -> None:
    # Plain SQL: Alembic would copy the whole table on SQLite, which renames in place since 3.25, as PostgreSQL does.
    for before, after in (("lost", "rescues"), ("taken", "client_retry"), ("opening", "initial_frames")):
        op.execute(f"ALTER TABLE jobs RENAME COLUMN {before} TO {after}")
