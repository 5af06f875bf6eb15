"""Images of inputs, and which jobs have them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "images",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "job_images",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["owner", "sha256"], ["images.owner", "images.sha256"]),
    )
    op.create_index("job_images_by_image", "job_images", ["owner", "sha256"])
