"""What a search, a client's silent retry and Server-Timing need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("taken", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("search", sa.Text, nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("tier", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("model", sa.String(255), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("first_token_at", sa.Float))
    op.add_column("jobs", sa.Column("stop_requested_at", sa.Float))
    op.create_index("jobs_by_body", "jobs", ["owner", "body_hash"])
