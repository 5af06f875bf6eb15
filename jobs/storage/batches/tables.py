"""The tables of batches, beside those of jobs/storage/schema.py."""

from __future__ import annotations

import sqlalchemy as sa

from jobs.storage.schema import metadata

# The columns of what a batch has cost.
USAGE = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")

# Files of owners. One that a batch has written has no pieces: it is read from the batch's jobs.
files = sa.Table(
    "files",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("filename", sa.String(255), nullable=False),
    sa.Column("purpose", sa.String(32), nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    # 0 while it is still coming.
    sa.Column("is_whole", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float),
    # Whose it is, and which of its files, if a batch has written it.
    sa.Column("batch_id", sa.String(64)),
    sa.Column("kind", sa.String(16)),
    sa.Index("files_by_owner", "owner", "created_at", "id"),
)

file_pieces = sa.Table(
    "file_pieces",
    metadata,
    sa.Column("file_id", sa.String(64), sa.ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("endpoint", sa.String(64), nullable=False),
    sa.Column("input_file_id", sa.String(64), nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    # For lines that name none.
    sa.Column("model", sa.String(255)),
    # How many lines it has, once all are jobs; and how many of them are so far.
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("stored_lines", sa.Integer, nullable=False),
    # Until when the worker that reads its file is not disturbed.
    sa.Column("claimed_until", sa.Float, nullable=False),
    # The tokens of its ended lines so far; null in rows from before they were counted.
    *(sa.Column(name, sa.BigInteger) for name in USAGE),
    # JSON: what is wrong with which line.
    sa.Column("errors", sa.Text),
    sa.Column("output_file_id", sa.String(64)),
    sa.Column("error_file_id", sa.String(64)),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
    *(
        sa.Column(f"{name}_at", sa.Float)
        for name in ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    ),
    sa.Index("batches_by_owner", "owner", "created_at", "id"),
    sa.Index("batches_by_status", "status", "created_at"),
)
