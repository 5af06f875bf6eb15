"""The tables. Times are Unix seconds; a response is kept as bytes and served as it was stored."""

from __future__ import annotations

import sqlalchemy as sa

from jobs.job import Status
from jobs.limits import LIMIT_NAMES

metadata = sa.MetaData()

# As they stand: an index with a condition serves only queries that repeat it word for word.
IS_QUEUED = sa.text("status = 'queued'")
IS_RUNNING = sa.text("status = 'in_progress' AND held_at IS NULL")
_IS_IN_PROGRESS = sa.text("status = 'in_progress'")
IS_HELD = sa.text("held_at IS NOT NULL")
IS_STARRED = sa.text("starred = 1")
IS_TO_END = sa.text("status = 'queued' AND (cancel_requested_at IS NOT NULL OR stop_requested_at IS NOT NULL)")
IS_UNINDEXED = sa.text("search <> ''")
_HAS_END = sa.text("ended_at IS NOT NULL")
IS_DUE = sa.text("due_at IS NOT NULL")
IS_OF_BATCH = sa.text("batch_id IS NOT NULL")
_HAS_ROOT = sa.text("root_id IS NOT NULL")


def _index(name: str, *columns: str, only: sa.TextClause) -> sa.Index:
    """An index of some rows: those that wait and run are few among all that ever did."""
    return sa.Index(name, *columns, sqlite_where=only, postgresql_where=only)


jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    # What decides whose turn it is: 1 waits behind all 0, and some models run only so many jobs at once.
    sa.Column("tier", sa.Integer, nullable=False, default=0),
    sa.Column("model", sa.String(255), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    # Rescues only: a drain costs none, so the attempt number alone cannot be the budget.
    sa.Column("rescues", sa.Integer, nullable=False, default=0),
    # No number below it is free: raised in blocks before numbers are used.
    sa.Column("seq_mark", sa.Integer, nullable=False, default=2),
    # The same for output indexes: a client that has seen one must never see it again for another item.
    sa.Column("index_mark", sa.Integer, nullable=False, default=0),
    sa.Column("worker", sa.String(64)),
    # Written by workers of versions before, which may run beside newer ones; nobody reads it any more.
    sa.Column("claimed_at", sa.Float),
    sa.Column("request", sa.Text, nullable=False),
    # The id of the prompt in it.
    sa.Column("prompt", sa.String(64)),
    # The SHA-256 of the body as it was sent; empty in rows from before that was stored.
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("idempotency_key", sa.String(255)),
    # The highest retry of a client's POST that was answered with this job: another's is not.
    sa.Column("client_retry", sa.Integer, nullable=False, default=0),
    # 0: the job is removed as soon as it has ended and nobody waits for it.
    sa.Column("stored", sa.Integer, nullable=False, default=1, server_default="1"),
    # What versions before the index of words searched. Their workers may still write it; else it is empty.
    sa.Column("search", sa.Text, nullable=False, default=""),
    sa.Column("initial_frames", sa.LargeBinary, nullable=False),
    sa.Column("cancel_requested_at", sa.Float),
    # The milder wish: no more is begun, what is being written comes to an end and is kept.
    sa.Column("stop_requested_at", sa.Float),
    # Since when it waits for a person, in progress and with no worker.
    sa.Column("held_at", sa.Float),
    sa.Column("started_at", sa.Float),
    sa.Column("first_token_at", sa.Float),
    sa.Column("ended_at", sa.Float),
    # Progress for lists: JSON, a little behind the log. `words` and `tokens` are set at the end.
    sa.Column("progress", sa.Text),
    # How long the text is to be, if its prompt says so.
    sa.Column("target_words", sa.Integer),
    # What lists call it, made when it is accepted and again at its end; empty when nothing names it.
    sa.Column("title", sa.String(80)),
    # The metadata as its owner has changed it since, as JSON; and what lists need of it (jobs/filing.py).
    sa.Column("changed_metadata", sa.Text),
    sa.Column("name", sa.String(80)),
    sa.Column("starred", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("labels", sa.String(512)),
    sa.Column("words", sa.Integer),
    sa.Column("tokens", sa.Integer),
    # The code of its StatusDetails, if there is anything to say.
    sa.Column("error", sa.String(64)),
    # What lists tell of the response (jobs/protocol/outcome.py).
    sa.Column("outcome", sa.Text),
    # The newest job that repeats this one; it may have been deleted.
    sa.Column("retried_by", sa.String(64)),
    # The first of the jobs that belong together, as versions of a report do; it may have been deleted.
    sa.Column("root_id", sa.String(64)),
    sa.Column("response", sa.LargeBinary),
    sa.Column("sha256", sa.String(64)),
    # The batch that it is a line of, and what that line calls it.
    sa.Column("batch_id", sa.String(64)),
    sa.Column("custom_id", sa.String(512)),
    sa.UniqueConstraint("owner", "idempotency_key"),
    # A list for each filter, in the order of age: whatever it finds, none reads past what it does not show.
    sa.Index("jobs_by_owner", "owner", "created_at", "id"),
    sa.Index("jobs_by_status", "owner", "status", "created_at", "id"),
    sa.Index("jobs_by_prompt", "owner", "prompt", "created_at", "id"),
    sa.Index("jobs_by_prompt_and_status", "owner", "prompt", "status", "created_at", "id"),
    sa.Index("jobs_by_body", "owner", "body_hash"),
    # In the order in which a claim skips through the queued jobs.
    _index("jobs_in_line", "tier", "owner", "model", "created_at", "id", only=IS_QUEUED),
    _index("jobs_queued", "created_at", only=IS_QUEUED),
    _index("jobs_to_end", "created_at", only=IS_TO_END),
    _index("jobs_running", "owner", "model", "held_at", only=_IS_IN_PROGRESS),
    _index("jobs_held", "owner", "created_at", "id", only=IS_HELD),
    _index("jobs_starred", "owner", "created_at", "id", only=IS_STARRED),
    _index("jobs_unindexed", "id", only=IS_UNINDEXED),
    _index("jobs_by_batch", "batch_id", "status", "id", only=IS_OF_BATCH),
    _index("jobs_by_root", "root_id", only=_HAS_ROOT),
    sa.Index("jobs_unstored", "stored", "ended_at"),
    sa.Index("jobs_by_worker", "worker", "status"),
    # What the charts of the last hour and the failures of a day are made of, and expiry. Without the jobs that have not
    # ended: SQLite, which knows nothing of how many there are, would look for those that wait in here, and sort them.
    sa.Index("jobs_by_age", "created_at"),
    _index("jobs_by_end", "status", "ended_at", "error", "tokens", only=_HAS_END),
)

# For a time of the end: the index of those begins with the status.
HAS_ENDED = jobs.c.status.in_([status for status in Status if status.is_terminal])

# How many jobs of an owner have ended; the prompt is empty for none. Triggers of `jobs` keep it (migration 0011).
job_counts = sa.Table(
    "job_counts",
    metadata,
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("status", sa.String(16), primary_key=True),
    sa.Column("prompt", sa.String(64), primary_key=True),
    sa.Column("jobs", sa.Integer, nullable=False),
)

# A job's number in `search_index`, the index of its words, which each database has in a form of its own. Numbers are in
# the order of acceptance.
search_entries = sa.Table(
    "search_entries",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, unique=True),
    # How many of its words are in the index.
    sa.Column("indexed", sa.Integer, nullable=False),
    sqlite_autoincrement=True,  # a number is never used again
)

transcripts = sa.Table(
    "transcripts",
    metadata,
    sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("frames", sa.LargeBinary, nullable=False),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("section", sa.Integer, primary_key=True),
    # The finished items of the section, as on the wire, and what they cost.
    sa.Column("items", sa.Text, nullable=False),
    sa.Column("usage", sa.Text),
)

# Images that came as data in an input: each once for its owner.
images = sa.Table(
    "images",
    metadata,
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("media_type", sa.String(64), nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

# Which jobs have them, in their input or in the history before it. Not removed with the row of its job by the database:
# `delete_jobs` does, and then removes the images that nobody has any more.
job_images = sa.Table(
    "job_images",
    metadata,
    sa.Column("job_id", sa.String(64), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.ForeignKeyConstraint(["owner", "sha256"], ["images.owner", "images.sha256"]),
    sa.Index("job_images_by_image", "owner", "sha256"),
)

# Open connections that wait for a job without `background`. A sign of life is a change of the counter.
waiters = sa.Table(
    "waiters",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("counter", sa.Integer, nullable=False, default=0),
    sa.Index("waiters_by_job", "job_id"),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    # A sign of life is a change, never a time: no two clocks are compared.
    sa.Column("counter", sa.Integer, nullable=False, default=0),
    sa.Column("dead", sa.Integer, nullable=False, default=0),
    sa.Column("started_at", sa.Float, nullable=False),
    # For people only: LeaseMonitor judges by the counter.
    sa.Column("beaten_at", sa.Float),
)

# The tiers of which nothing is claimed, each since when.
paused = sa.Table(
    "paused",
    metadata,
    sa.Column("tier", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("since", sa.Float, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("key_id", sa.String(64), sa.ForeignKey("keys.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("revoked_at", sa.Float),
)

# Where an owner's limits differ from the settings: NULL is as they say, 0 any number.
owner_limits = sa.Table(
    "owner_limits",
    metadata,
    sa.Column("owner", sa.String(64), primary_key=True),
    *(sa.Column(name, sa.Integer) for name in LIMIT_NAMES),
)

# What the jobs that ended on a day (since 1970, UTC) have used.
token_days = sa.Table(
    "token_days",
    metadata,
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
)

# Where an owner wants to be told of ends. One row of an owner may have no URL: its secret signs what goes to addresses
# that jobs name themselves.
webhook_endpoints = sa.Table(
    "webhook_endpoints",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    # Separated by spaces.
    sa.Column("event_types", sa.Text, nullable=False),
    sa.Column("secret", sa.String(64), nullable=False),
    # The secret before, and until when it signs, too.
    sa.Column("old_secret", sa.String(64)),
    sa.Column("old_secret_until", sa.Float),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.Index("webhook_endpoints_by_owner", "owner", "created_at", "id"),
)

# What endpoints are to be told, written by the transaction of the end itself, and what became of it.
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("endpoint_id", sa.String(64), sa.ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), nullable=False),
    # The address that the job named; NULL for the endpoint's own.
    sa.Column("url", sa.Text),
    sa.Column("event_type", sa.String(64), nullable=False),
    sa.Column("object_id", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    # When the next attempt may begin; NULL when there will be none.
    sa.Column("due_at", sa.Float),
    # After that it is not tried again.
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.Column("delivered_at", sa.Float),
    # Of the last attempt: what was answered, or why nothing was.
    sa.Column("status_code", sa.Integer),
    sa.Column("problem", sa.String(64)),
    _index("webhook_deliveries_due", "due_at", only=IS_DUE),
    sa.Index("webhook_deliveries_by_owner", "owner", "created_at", "id"),
    sa.Index("webhook_deliveries_by_endpoint", "endpoint_id"),
    sa.Index("webhook_deliveries_by_age", "created_at"),
)
