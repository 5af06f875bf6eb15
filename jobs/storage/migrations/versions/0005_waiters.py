"""Waiters in rows; claims by an index, without times at which wake-ups are due."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TO_END = sa.text("cancel_requested_at IS NOT NULL OR stop_requested_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "waiters",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("counter", sa.Integer, nullable=False),
    )
    op.create_index("waiters_by_job", "waiters", ["job_id"])
    op.add_column("jobs", sa.Column("claimed_at", sa.Float))
    op.add_column("jobs", sa.Column("stored", sa.Integer, nullable=False, server_default="1"))
    # The hashes were those of the request after validation: of the body as it was sent nobody knows them.
    op.execute("UPDATE jobs SET body_hash = ''")
    op.drop_index("jobs_by_status", "jobs")
    # Plain SQL: Alembic would copy the whole table on SQLite, which drops columns in place since 3.35.
    op.execute("ALTER TABLE jobs DROP COLUMN send_after")
    op.execute("ALTER TABLE jobs DROP COLUMN sends")
    op.create_index("jobs_in_line", "jobs", ["status", "tier", "owner", "created_at", "id", "model"])
    op.create_index("jobs_to_end", "jobs", ["status"], sqlite_where=_TO_END, postgresql_where=_TO_END)
    op.create_index("jobs_unstored", "jobs", ["stored", "ended_at"])
    _mark_unstored()


def _mark_unstored() -> None:
    jobs = sa.table("jobs", sa.column("id", sa.Text), sa.column("request", sa.Text), sa.column("stored", sa.Integer))
    # The text alone may also be that of a prompt's variable.
    query = sa.select(jobs.c.id, jobs.c.request).where(jobs.c.request.contains('"store":false'))
    connection = op.get_bind()
    for job_id, request in connection.execute(query).all():
        if json.loads(request).get("store") is False:
            connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(stored=0))
