"""The limits of owners, and the tokens that they use a day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "owner_limits",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("jobs_queued", sa.Integer),
        sa.Column("jobs_running", sa.Integer),
        sa.Column("requests_a_minute", sa.Integer),
        sa.Column("open_streams", sa.Integer),
        sa.Column("answer_characters", sa.Integer),
        sa.Column("tokens_a_day", sa.Integer),
    )
    op.create_table(
        "token_days",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
    )
