"""The tables. Times are Unix seconds; a response is kept as bytes and served as it was stored."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    # Rescues only: a drain costs none, so the attempt number alone cannot be the budget.
    Column("lost", Integer, nullable=False, default=0),
    # No number below it is free: raised in blocks before numbers are used.
    Column("seq_mark", Integer, nullable=False, default=2),
    # The same for output indexes: a client that has seen one must never see it again for another item.
    Column("index_mark", Integer, nullable=False, default=0),
    Column("worker", String(64)),
    # From when on a wake-up message should be sent (again), and how many were.
    Column("send_after", Float, nullable=False),
    Column("sends", Integer, nullable=False, default=0),
    Column("request", Text, nullable=False),
    Column("body_hash", String(64), nullable=False),
    Column("idempotency_key", String(255)),
    Column("opening", LargeBinary, nullable=False),
    Column("cancel_requested_at", Float),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("response", LargeBinary),
    Column("sha256", String(64)),
    UniqueConstraint("owner", "idempotency_key"),
    Index("jobs_by_owner", "owner", "created_at", "id"),
    Index("jobs_by_status", "status", "send_after"),
    Index("jobs_by_worker", "worker", "status"),
)

transcripts = Table(
    "transcripts",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("frames", LargeBinary, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("section", Integer, primary_key=True),
    # The finished items of the section, as on the wire, and what they cost.
    Column("items", Text, nullable=False),
    Column("usage", Text),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(64), primary_key=True),
    # A sign of life is a change, never a time: no two clocks are compared.
    Column("counter", Integer, nullable=False, default=0),
    Column("dead", Integer, nullable=False, default=0),
    Column("started_at", Float, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)
