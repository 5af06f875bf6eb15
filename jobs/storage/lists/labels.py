"""The labels of jobs, a row for each: jobs with a label are found in the order of age."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select, delete, func, insert, literal, select

from jobs.filing import MAX_LABEL, labels_in
from jobs.storage.schema import metadata

_MOST_SHOWN = 200

job_labels = sa.Table(
    "job_labels",
    metadata,
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("label", sa.String(MAX_LABEL), primary_key=True),
    # The job's own, for the order.
    sa.Column("created_at", sa.Float, primary_key=True),
    sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("job_labels_by_job", "job_id"),
)


def add_labels(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Have new rows of jobs found by their column `labels`."""
    found = [
        {"owner": row["owner"], "label": label, "created_at": row["created_at"], "job_id": row["id"]}
        for row in rows
        for label in labels_in(row["labels"] or "")
    ]
    if found:
        connection.execute(insert(job_labels), found)


def replace_labels(connection: Connection, row: Mapping[str, Any]) -> None:
    """Have a job found by its column `labels`, and by no label of before."""
    connection.execute(delete(job_labels).where(job_labels.c.job_id == row["id"]))
    add_labels(connection, [row])


def select_labels(owner: str) -> Select[Any]:
    """SELECT of an owner's labels by their names, the first ones. It skips from one to the next in the index."""
    mine = select(func.min(job_labels.c.label)).where(job_labels.c.owner == owner)  # invariant 8
    names = select(mine.scalar_subquery().label("label")).cte("names", recursive=True)
    following = mine.where(job_labels.c.label > names.c.label).scalar_subquery()
    names = names.union_all(select(following).where(names.c.label.is_not(None)))
    return select(names.c.label).where(names.c.label.is_not(None)).limit(literal(_MOST_SHOWN))
