"""An index of words, from which jobs are found; the words of jobs that are there go into it later, few at a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_UNINDEXED = sa.text("search <> ''")


def upgrade() -> None:
    op.create_table(
        "search_entries",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, unique=True),
        sa.Column("indexed", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.execute("INSERT INTO search_entries (job_id, indexed) SELECT id, 0 FROM jobs ORDER BY created_at, id")
    op.create_index("jobs_unindexed", "jobs", ["id"], sqlite_where=_UNINDEXED, postgresql_where=_UNINDEXED)
    if op.get_bind().dialect.name == "sqlite":
        _create_fts5()
    else:
        _create_gin()


def _create_fts5() -> None:
    # Words are ASCII letters and digits, any other character but those of ASCII, and the mark of an owner's.
    op.execute(
        "CREATE VIRTUAL TABLE search_index USING fts5("
        "words, content='', detail='none', columnsize=0, tokenize=\"ascii tokenchars '_'\")"
    )
    # Segments are merged a little with each write, never many at once.
    op.execute("INSERT INTO search_index (search_index, rank) VALUES ('automerge', 0), ('crisismerge', 64)")


def _create_gin() -> None:
    op.execute(
        "CREATE TABLE search_index ("
        "rowid BIGINT PRIMARY KEY REFERENCES search_entries (number) ON DELETE CASCADE, words TSVECTOR NOT NULL)"
    )
    # Without its list of words to be sorted in later, which each search would read: that takes 25 ms when it is full.
    op.execute("CREATE INDEX search_index_words ON search_index USING gin (words) WITH (fastupdate = off)")
