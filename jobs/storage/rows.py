"""A row of `jobs` as a Job, and texts that every row can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson
from sqlalchemy import RowMapping, Select, select

from jobs.job import Job, ListedJob, Status
from jobs.requests.job_request import JobRequest
from jobs.storage.schema import jobs

_COLUMNS = [jobs.c[field.name] for field in fields(Job)]
_LISTED_COLUMNS = [jobs.c[field.name] for field in fields(ListedJob)]


def select_jobs() -> Select[Any]:
    """SELECT of what `job_of` needs."""
    return select(*_COLUMNS)


def job_of(row: RowMapping) -> Job:
    """The Job in a row of `select_jobs`."""
    changed = row["changed_metadata"]
    parsed = {"request": JobRequest.from_json(row["request"]), "changed_metadata": changed and orjson.loads(changed)}
    return Job(**{**row, **_parsed(row), **parsed})


def select_listed_jobs() -> Select[Any]:
    """SELECT of what `listed_job_of` needs: no column that grows with a request or a text."""
    return select(*_LISTED_COLUMNS)


def listed_job_of(row: Mapping[str, Any]) -> ListedJob:
    """The ListedJob in a row of `select_listed_jobs`."""
    return ListedJob(**{**row, **_parsed(row)})


def _parsed(row: Mapping[str, Any] | RowMapping) -> dict[str, Any]:
    return {"status": Status(row["status"]), "progress": row["progress"] and orjson.loads(row["progress"])}


def storable(text: str) -> str:
    """A text that every database can store: no NUL, and no half of a surrogate pair."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()
