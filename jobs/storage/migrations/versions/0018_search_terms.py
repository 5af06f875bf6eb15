"""A view of the words in SQLite's index, to look up those that begin in some way."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE search_index_terms USING fts5vocab(search_index, row)")
