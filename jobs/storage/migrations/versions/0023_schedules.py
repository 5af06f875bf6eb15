"""Requests that are made again and again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_table(
        "schedules",
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
    )
    op.create_index("schedules_by_owner", "schedules", ["owner", "created_at", "id"])
    op.create_index("schedules_by_time", "schedules", ["due_at"])
