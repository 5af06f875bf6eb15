"""Jobs, transcripts, checkpoints, workers, keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("lost", sa.Integer, nullable=False),
        sa.Column("seq_mark", sa.Integer, nullable=False),
        sa.Column("index_mark", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(64)),
        sa.Column("send_after", sa.Float, nullable=False),
        sa.Column("sends", sa.Integer, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("opening", sa.LargeBinary, nullable=False),
        sa.Column("cancel_requested_at", sa.Float),
        sa.Column("started_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("response", sa.LargeBinary),
        sa.Column("sha256", sa.String(64)),
        sa.UniqueConstraint("owner", "idempotency_key"),
    )
    op.create_index("jobs_by_owner", "jobs", ["owner", "created_at", "id"])
    op.create_index("jobs_by_status", "jobs", ["status", "send_after"])
    op.create_index("jobs_by_worker", "jobs", ["worker", "status"])
    op.create_table(
        "transcripts",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("frames", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("section", sa.Integer, primary_key=True),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("usage", sa.Text),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("counter", sa.Integer, nullable=False),
        sa.Column("dead", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float),
    )
