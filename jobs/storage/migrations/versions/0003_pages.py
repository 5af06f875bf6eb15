"""What the pages of lists and of the whole system show: how far jobs are, what became of them, paused queues."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002_requests"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("prompt", sa.String(64)))
    op.add_column("jobs", sa.Column("progress", sa.Text))
    op.add_column("jobs", sa.Column("words", sa.Integer))
    op.add_column("jobs", sa.Column("tokens", sa.Integer))
    op.add_column("jobs", sa.Column("error", sa.String(64)))
    op.add_column("workers", sa.Column("beaten_at", sa.Float))
    op.create_table(
        "paused",
        sa.Column("tier", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("since", sa.Float, nullable=False),
    )
    op.create_index("jobs_by_age", "jobs", ["created_at"])
    op.create_index("jobs_by_end", "jobs", ["ended_at"])
