"""What the lines of a batch have cost; unknown of batches that are there already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    for name in ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens"):
        op.add_column("batches", sa.Column(name, sa.BigInteger))
