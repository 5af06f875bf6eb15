"""Which report a job is another version of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_IS_VERSION = sa.text("report_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("report_id", sa.String(64)))
    op.create_index("jobs_by_report", "jobs", ["report_id"], sqlite_where=_IS_VERSION, postgresql_where=_IS_VERSION)
