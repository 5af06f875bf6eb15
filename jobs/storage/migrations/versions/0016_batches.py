"""Batches, their files, and the jobs that belong to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_IS_OF_BATCH = sa.text("batch_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("is_whole", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("batch_id", sa.String(64)),
        sa.Column("kind", sa.String(16)),
    )
    op.create_index("files_by_owner", "files", ["owner", "created_at", "id"])
    file_id = sa.ForeignKey("files.id", ondelete="CASCADE")
    op.create_table(
        "file_pieces",
        sa.Column("file_id", sa.String(64), file_id, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    _create_batches()
    op.add_column("jobs", sa.Column("batch_id", sa.String(64)))
    op.add_column("jobs", sa.Column("custom_id", sa.String(512)))
    columns = ["batch_id", "status", "id"]
    op.create_index("jobs_by_batch", "jobs", columns, sqlite_where=_IS_OF_BATCH, postgresql_where=_IS_OF_BATCH)


def _create_batches() -> None:
    names = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    op.create_table(
        "batches",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("endpoint", sa.String(64), nullable=False),
        sa.Column("input_file_id", sa.String(64), nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("model", sa.String(255)),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("stored_lines", sa.Integer, nullable=False),
        sa.Column("claimed_until", sa.Float, nullable=False),
        sa.Column("errors", sa.Text),
        sa.Column("output_file_id", sa.String(64)),
        sa.Column("error_file_id", sa.String(64)),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        *(sa.Column(f"{name}_at", sa.Float) for name in names),
    )
    op.create_index("batches_by_owner", "batches", ["owner", "created_at", "id"])
    op.create_index("batches_by_status", "batches", ["status", "created_at"])
