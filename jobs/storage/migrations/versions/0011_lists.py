"""What lists show and count: its own columns, an index for each filter, and the number of those that have ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_COUNT = (
    "INSERT INTO job_counts (owner, status, prompt, jobs) VALUES (NEW.owner, NEW.status, coalesce(NEW.prompt, ''), 1)"
)
_ONE_MORE = "ON CONFLICT (owner, status, prompt) DO UPDATE SET jobs = job_counts.jobs + 1"

# `job_counts` is changed in the transaction of whatever ends, inserts or removes a job, whoever does it.
_SQLITE_TRIGGERS = (
    f"""CREATE TRIGGER jobs_count_end AFTER UPDATE OF ended_at ON jobs
    WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL BEGIN {_COUNT} {_ONE_MORE}; END""",
    f"""CREATE TRIGGER jobs_count_copy AFTER INSERT ON jobs
    WHEN NEW.ended_at IS NOT NULL BEGIN {_COUNT} {_ONE_MORE}; END""",
    """CREATE TRIGGER jobs_count_removal AFTER DELETE ON jobs WHEN OLD.ended_at IS NOT NULL BEGIN
    UPDATE job_counts SET jobs = jobs - 1
    WHERE owner = OLD.owner AND status = OLD.status AND prompt = coalesce(OLD.prompt, ''); END""",
)
# Whoever ends a job locks its count only within COMMIT, so that an owner's other jobs, which may end meanwhile, do not
# wait for the rest of its transaction. Those that remove many lock the counts in one order: no two wait for each other.
_POSTGRESQL_TRIGGERS = (
    f"""CREATE FUNCTION count_ended_job() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN {_COUNT} {_ONE_MORE}; RETURN NULL; END $$""",
    """CREATE FUNCTION count_removed_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO job_counts (owner, status, prompt, jobs)
      SELECT owner, status, coalesce(prompt, ''), -count(*) FROM removed
      WHERE ended_at IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
      ON CONFLICT (owner, status, prompt) DO UPDATE SET jobs = job_counts.jobs + EXCLUDED.jobs;
      RETURN NULL;
    END $$""",
    """CREATE CONSTRAINT TRIGGER jobs_count_end AFTER UPDATE OF ended_at ON jobs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION count_ended_job()""",
    """CREATE CONSTRAINT TRIGGER jobs_count_copy AFTER INSERT ON jobs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION count_ended_job()""",
    """CREATE TRIGGER jobs_count_removal AFTER DELETE ON jobs REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_removed_jobs()""",
)


def upgrade() -> None:
    op.add_column("jobs", sa.Column("target_words", sa.Integer))
    op.add_column("jobs", sa.Column("outcome", sa.Text))
    op.create_index("jobs_by_status", "jobs", ["owner", "status", "created_at", "id"])
    op.create_index("jobs_by_prompt", "jobs", ["owner", "prompt", "created_at", "id"])
    op.create_index("jobs_by_prompt_and_status", "jobs", ["owner", "prompt", "status", "created_at", "id"])
    op.drop_index("jobs_by_end", "jobs")
    op.create_index("jobs_by_end", "jobs", ["status", "ended_at", "error", "tokens"])
    op.create_table(
        "job_counts",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("status", sa.String(16), primary_key=True),
        sa.Column("prompt", sa.String(64), primary_key=True),
        sa.Column("jobs", sa.Integer, nullable=False),
    )
    op.execute(
        """INSERT INTO job_counts (owner, status, prompt, jobs)
        SELECT owner, status, coalesce(prompt, ''), count(*) FROM jobs WHERE ended_at IS NOT NULL GROUP BY 1, 2, 3"""
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for trigger in _SQLITE_TRIGGERS if is_sqlite else _POSTGRESQL_TRIGGERS:
        op.execute(trigger)
