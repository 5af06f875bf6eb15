"""The table of shares, beside those of jobs/storage/schema.py."""

from __future__ import annotations

import sqlalchemy as sa

from jobs.storage.schema import metadata

# Links to the text of a job: of each token only the SHA-256 is kept.
shares = sa.Table(
    "shares",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.Index("shares_by_owner", "owner", "created_at", "id"),
    sa.Index("shares_by_job", "job_id"),
    sa.Index("shares_by_expiry", "expires_at"),
)
