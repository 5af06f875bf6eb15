"""The columns of lists in rows that a version before wrote, which had none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import RowMapping

from jobs.protocol.fold import text_of
from jobs.protocol.outcome import outcome_of
from jobs.requests.job_request import JobRequest
from jobs.requests.title import title_of
from jobs.storage.rows import storable


def listed_values(row: Mapping[str, Any] | RowMapping) -> dict[str, Any]:
    """What lists need and the row does not have yet; empty when it has all.

    The row has the columns `request`, `response`, `created_at`, `title` and `outcome`.
    """
    has_outcome = row["outcome"] is not None or not row["response"]
    if row["title"] is not None and has_outcome:
        return {}
    request = JobRequest.from_json(row["request"])
    response = orjson.loads(row["response"]) if row["response"] else None
    values: dict[str, Any] = {"target_words": request.target_words}
    if row["title"] is None:
        values["title"] = storable(title_of(request, text_of(response) if response else ""))
    if response and not has_outcome:
        values["outcome"] = outcome_of(response, row["created_at"], request)
    return values
