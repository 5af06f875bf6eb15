"""A new job for an old one: what the old one had finished is not bought again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from jobs.errors import InvalidRequest
from jobs.job import Job, Status
from jobs.storage.store import Store


def retry(store: Store, owner: str, job_id: str, **sending: Any) -> Job:
    """A new background job with the request of one that has ended; one that completed is written anew.

    `sending` is what Store.accept takes beside the request. Raises InvalidRequest, JobNotFound.
    """
    job = store.get(owner, job_id)
    if job.response is None:
        raise InvalidRequest("Cannot retry a response that has not ended: cancel it first.")
    again = replace(job.request, background=True, store=True, retry_of=job.id)
    finished = [] if job.status is Status.COMPLETED else _finished(orjson.loads(job.response))
    return store.accept(owner, again, finished=finished, **sending)  # invariant 5


def _finished(response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The finished sections of a response, its plan among them, as rows of checkpoints."""
    output = response["output"]
    if outline := response["penstock"].get("outline"):
        plan = next(item for item in output if item["penstock"]["section"] == 0)
        yield {"section": 0, "items": orjson.dumps([{**_as_new(plan), "outline": outline}]).decode()}
    for answer in output:
        if answer["type"] == "message" and answer["status"] == "completed":
            section = answer["penstock"]["section"]
            items = [_as_new(item) for item in output if item["penstock"]["section"] == section]
            yield {"section": section, "items": orjson.dumps(items).decode()}


def _as_new(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item without what it was in the old job: when it was written, and what it replaced there."""
    return {
        **item,
        "penstock": {name: item["penstock"][name] for name in ("section", "title") if name in item["penstock"]},
    }
