"""How an owner files a job, in its row: its metadata, and what lists and search need of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, select, update

from jobs.errors import JobNotFound
from jobs.filing import filing_of, joined
from jobs.storage.lists.labels import replace_labels
from jobs.storage.rows import storable
from jobs.storage.schema import jobs
from jobs.storage.search.entries import row_words, set_entry


def filing_columns(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The columns of a job with this metadata."""
    filing = filing_of({name: storable(value) for name, value in metadata.items()})
    return {"name": filing.title or None, "starred": int(filing.starred), "labels": joined(filing.labels) or None}


def change_metadata(connection: Connection, owner: str, job_id: str, metadata: Mapping[str, str]) -> None:
    """Give a job other metadata, inside the caller's transaction. Raises JobNotFound."""
    mine = (jobs.c.id == job_id, jobs.c.owner == owner)  # invariant 8
    values = {"changed_metadata": orjson.dumps(metadata).decode(), **filing_columns(metadata)}
    columns = (jobs.c.id, jobs.c.owner, jobs.c.created_at, jobs.c.name, jobs.c.labels, jobs.c.request, jobs.c.response)
    # Locked first: a worker that ends the job meanwhile adds to the words of one name or the other.
    before = connection.execute(select(*columns, jobs.c.search).where(*mine).with_for_update()).mappings().one_or_none()
    if before is None:
        raise JobNotFound(job_id)
    connection.execute(update(jobs).where(*mine).values(values))
    row = {**before, **values}
    replace_labels(connection, row)
    if row["name"] != before["name"] and not row["search"]:
        set_entry(connection, job_id, row_words(row), row_words(before))
