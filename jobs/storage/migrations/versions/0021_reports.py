"""Which jobs belong together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

_HAS_ROOT = sa.text("root_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("root_id", sa.String(64)))
    op.create_index("jobs_by_root", "jobs", ["root_id"], sqlite_where=_HAS_ROOT, postgresql_where=_HAS_ROOT)
