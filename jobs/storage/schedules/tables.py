"""The table of schedules, beside those of jobs/storage/schema.py."""

from __future__ import annotations

import sqlalchemy as sa

from jobs.storage.schema import metadata

# `due_at` is the time of the next run, in Unix seconds; `job_id` the job of the last; `counted`, whether its end is
# among the `failures` in a row. `paused` says by what: see jobs/storage/schedules/schedules.py.
schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("cron", sa.String(100), nullable=False),
    sa.Column("timezone", sa.String(64), nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("model", sa.String(255)),
    sa.Column("due_at", sa.Float, nullable=False),
    sa.Column("paused", sa.String(16)),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("problem", sa.Text),
    sa.Column("job_id", sa.String(64)),
    sa.Column("counted", sa.Integer, nullable=False, server_default="1"),
    sa.Index("schedules_by_owner", "owner", "created_at", "id"),
    sa.Index("schedules_by_time", "due_at"),
)
