"""The index of ends without the jobs that have none: SQLite read it for those that wait, too, and sorted them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_HAS_END = sa.text("ended_at IS NOT NULL")


def upgrade() -> None:
    op.drop_index("jobs_by_end", "jobs")
    columns = ["status", "ended_at", "error", "tokens"]
    op.create_index("jobs_by_end", "jobs", columns, sqlite_where=_HAS_END, postgresql_where=_HAS_END)
