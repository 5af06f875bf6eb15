"""Claims that skip from line to line in an index, and positions that are counted in one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_QUEUED = sa.text("status = 'queued'")
_RUNNING = sa.text("status = 'in_progress'")
_TO_END = sa.text("status = 'queued' AND (cancel_requested_at IS NOT NULL OR stop_requested_at IS NOT NULL)")


def upgrade() -> None:
    op.drop_index("jobs_in_line", "jobs")
    op.drop_index("jobs_to_end", "jobs")
    for name, columns, condition in (
        ("jobs_in_line", ["tier", "owner", "model", "created_at", "id"], _QUEUED),
        ("jobs_queued", ["created_at"], _QUEUED),
        ("jobs_to_end", ["created_at"], _TO_END),
        ("jobs_running", ["owner", "model"], _RUNNING),
    ):
        op.create_index(name, "jobs", columns, sqlite_where=condition, postgresql_where=condition)
