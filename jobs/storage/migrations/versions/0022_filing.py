"""How an owner files a job: title, star, labels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

_IS_STARRED = sa.text("starred = 1")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("changed_metadata", sa.Text))
    op.add_column("jobs", sa.Column("name", sa.String(80)))
    op.add_column("jobs", sa.Column("starred", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("labels", sa.String(512)))
    columns = ["owner", "created_at", "id"]
    op.create_index("jobs_starred", "jobs", columns, sqlite_where=_IS_STARRED, postgresql_where=_IS_STARRED)
    op.create_table(
        "job_labels",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("label", sa.String(64), primary_key=True),
        sa.Column("created_at", sa.Float, primary_key=True),
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    )
    op.create_index("job_labels_by_job", "job_labels", ["job_id"])
