"""Jobs that wait for a person: none of them counts as running."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_IN_PROGRESS = sa.text("status = 'in_progress'")
_HELD = sa.text("held_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("held_at", sa.Float))
    op.drop_index("jobs_running", "jobs")
    for name, columns, condition in (
        ("jobs_running", ["owner", "model", "held_at"], _IN_PROGRESS),
        ("jobs_held", ["owner", "created_at", "id"], _HELD),
    ):
        op.create_index(name, "jobs", columns, sqlite_where=condition, postgresql_where=condition)
