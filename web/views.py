"""Jobs as JSON: an ended one verbatim as it was stored, a running one folded from its log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import redis
from flask import Response

from jobs import events
from jobs.errors import InvalidRequest
from jobs.fold import Fold
from jobs.record import Job, Status
from web.site import Site

_MAX_LIMIT = 100


def json(value: Any) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(value), mimetype="application/json")


def response(site: Site, job: Job) -> Response:
    """A job as the response that it is at this moment."""
    if job.response is not None:
        return Response(job.response, mimetype="application/json")
    return json(_folded(site, job))


def current(site: Site, job: Job) -> dict[str, Any]:
    """The response of a job at this moment."""
    if job.response is None:
        return _folded(site, job)
    found: dict[str, Any] = orjson.loads(job.response)
    return found


def _folded(site: Site, job: Job) -> dict[str, Any]:
    """The response of a job that has not ended: what its log says; without Redis, what its row says."""
    state = Fold()
    for frame in events.split(job.opening):
        state.feed(events.event_of(frame))
    try:
        for page in site.log.read(job.id, after=1):
            for _, frame in page:
                state.feed(events.event_of(frame))
    except redis.RedisError:
        pass
    found = {**state.response(), "status": job.status}
    moving: dict[str, Any] = {"attempt": job.attempt, "progress": {"done": 0, "total": 1}}
    if job.status is Status.QUEUED:
        moving["queue_position"] = site.store.queue_position(job)
    return {**found, "penstock": {**found["penstock"], **moving}}


def page(site: Site, owner: str, arguments: Mapping[str, str]) -> Response:
    """A page of an owner's jobs, without their texts: `limit`, `after`, `order`, `status`."""
    order, status = arguments.get("order", "desc"), arguments.get("status")
    if order not in ("asc", "desc"):
        raise InvalidRequest("'order' must be asc or desc.", param="order")
    if status is not None and status not in set(Status):
        raise InvalidRequest(f"'status' must be one of {', '.join(Status)}.", param="status")
    limit = _limit(arguments.get("limit", "20"))
    jobs = site.store.page(
        owner,
        limit=limit + 1,
        after=arguments.get("after"),
        newest_first=order == "desc",
        status=Status(status) if status else None,
    )
    listed = [brief(job) for job in jobs[:limit]]
    return json(
        {
            "object": "list",
            "data": listed,
            "first_id": listed[0]["id"] if listed else None,
            "last_id": listed[-1]["id"] if listed else None,
            "has_more": len(jobs) > limit,
        }
    )


def brief(job: Job) -> dict[str, Any]:
    """A job in a list: its response without the output."""
    if job.response is not None:
        return {**orjson.loads(job.response), "output": []}
    queued = events.event_of(events.split(job.opening)[0])["response"]
    return {**queued, "status": job.status, "penstock": {"attempt": job.attempt}}


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= _MAX_LIMIT:
        raise InvalidRequest(f"'limit' must be a number from 1 to {_MAX_LIMIT}.", param="limit")
    return int(text)
