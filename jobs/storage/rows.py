"""A row of `jobs` as a Job, and texts that every row can hold."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import orjson
from sqlalchemy import RowMapping, Select, select

from jobs.job import Job, Status
from jobs.requests.job_request import JobRequest
from jobs.storage.schema import jobs

_COLUMNS = [jobs.c[field.name] for field in fields(Job)]


def select_jobs() -> Select[Any]:
    """SELECT of what `job_of` needs."""
    return select(*_COLUMNS)


def job_of(row: RowMapping) -> Job:
    """The Job in a row of `select_jobs`."""
    parsed = {"status": Status(row["status"]), "request": JobRequest.from_json(row["request"])}
    return Job(**{**row, **parsed, "progress": row["progress"] and orjson.loads(row["progress"])})


def storable(text: str) -> str:
    """A text that every database can store: no NUL, and no half of a surrogate pair."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()
