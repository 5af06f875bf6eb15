"""Jobs as the JSON of the API: one response, pages of responses and of input items."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from flask import Response
from werkzeug.datastructures import MultiDict

from jobs.errors import InvalidRequest
from jobs.job import Job, ListedJob
from jobs.protocol import input_items
from jobs.protocol.outcome import without_output
from jobs.requests.job_request import JobRequest
from jobs.storage.lists.filters import Sort
from web.api.list_query import ListQuery
from web.api.numbers import parse_number
from web.context import WebContext
from web.live.job_state import queue_place, status_details
from web.snapshot import snapshot

_MAX_LIMIT = 100
# OpenAI's name for what a list of input items may have besides.
_IMAGE_URLS = "message.input_image.image_url"


def json(value: Any) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(value), mimetype="application/json")


def response(context: WebContext, job: Job) -> Response:
    """A job as the response that it is at this moment, with its times in the header; a stored one as its bytes.

    Only its metadata is as its owner has changed it since.
    """
    is_stored = job.response is not None and job.changed_metadata is None
    body = job.response if is_stored else orjson.dumps(snapshot(context, job))
    answer = Response(body, mimetype="application/json")
    now = job.ended_at or time.time()
    moments = {"queue": job.started_at or now, "first_token": job.first_token_at, "total": now}
    durations = [f"{name};dur={1000 * (at - job.created_at):.0f}" for name, at in moments.items() if at is not None]
    answer.headers["Server-Timing"] = ", ".join(durations)
    return answer


def page(context: WebContext, owner: str, arguments: Mapping[str, str]) -> Response:
    """A page of an owner's jobs, without their texts: `limit`, `after`, `order`, and what a ListQuery has."""
    query = ListQuery.of(arguments)
    limit, newest_first = paging(arguments)
    if not newest_first and "sort" in query.fields:
        raise InvalidRequest("'order' says the order by age, 'sort' another one: leave out one of them.", param="order")
    jobs = context.store.lists.page_with_requests(
        owner,
        limit=limit + 1,
        after=arguments.get("after"),
        sort=query.sort if newest_first else Sort.OLDEST,
        **query.only,
    )
    return listing([_listed(context, job, asked, query.only["words"]) for job, asked in jobs], limit)


def asked_items(context: WebContext, job: Job, arguments: MultiDict[str, str]) -> Response:
    """A page of the messages that a job was asked: `limit`, `after`, `order`; images are there if `include` says so."""
    limit, newest_first = paging(arguments)
    includes = [*arguments.getlist("include"), *arguments.getlist("include[]")]
    items = input_items.input_items(job, context.store.images(job) if _IMAGE_URLS in includes else {})
    if newest_first:
        items.reverse()
    if (after := arguments.get("after")) is not None:
        ids = [item["id"] for item in items]
        if after not in ids:
            raise InvalidRequest(f"This response has no input item '{after}'.", param="after")
        items = items[ids.index(after) + 1 :]
    return listing(items, limit)


def listing(found: Sequence[Mapping[str, Any]], limit: int) -> Response:
    """A page of at most `limit` of what was found; one more says that there are others."""
    data = found[:limit]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return json({"object": "list", "data": data, **ends, "has_more": len(found) > limit})


def _listed(context: WebContext, job: ListedJob, asked: JobRequest, words: str) -> dict[str, Any]:
    """A job in a list: its response without the output, and the passage in which `words` stand."""
    response = without_output(job, asked)
    if passage := words and context.excerpts.of(job, words):
        response["penstock"] |= {"excerpt": "".join(passage)}
    if job.outcome is None:
        details = status_details(context.outlook, job).to_wire()
        response["penstock"] |= {"status_details": details, **queue_place(context.outlook, job)}
    return response


def paging(arguments: Mapping[str, str]) -> tuple[int, bool]:
    """How many at most, and whether the newest come first."""
    order, limit = arguments.get("order", "desc"), arguments.get("limit", "20")
    if order not in ("asc", "desc"):
        raise InvalidRequest("'order' must be asc or desc.", param="order")
    return parse_number(limit, "limit", low=1, high=_MAX_LIMIT), order == "desc"
