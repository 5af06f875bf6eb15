"""A new job for an old one: what the old one had finished is not bought again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from jobs.errors import InvalidRequest
from jobs.job import Job, Status
from jobs.protocol.fold import ANSWERS
from jobs.requests.job_request import JobRequest
from web.context import WebContext


def retry(
    context: WebContext, owner: str, job_id: str, *, idempotency_key: str | None = None, client_retry: int = 0
) -> Job:
    """A new background job with the request of one that has ended; one that completed is written anew.

    Raises InvalidRequest while the job has not ended, JobNotFound, LimitReached.
    """
    job = context.store.get(owner, job_id)
    if job.response is None:
        raise InvalidRequest("Cannot retry a response that has not ended: cancel it first.")
    context.admission.check_create(owner)
    response = orjson.loads(job.response)
    is_anew = job.status is Status.COMPLETED
    review = job.request.review and (is_anew or not _is_begun(response))
    rewrite = None if is_anew else _without_unfinished(job.request.rewrite)
    request = replace(job.request, metadata=job.metadata, retry_of=job.id, review=review, rewrite=rewrite)
    sending = {"idempotency_key": idempotency_key, "client_retry": client_retry}
    return accept_anew(context, owner, request, [] if is_anew else checkpoints_of(response), **sending)


def accept_anew(
    context: WebContext, owner: str, request: JobRequest, finished: Iterable[Mapping[str, Any]], **sending: Any
) -> Job:
    """A new background job with the request of another, which begins with `finished` checkpoints.

    `sending` is how the client sends it. Raises InvalidRequest, LimitReached.
    """
    request = replace(request, background=True, store=True)
    new_job = context.store.accept(  # invariant 5
        owner,
        context.telemetry.traced(request),
        finished=finished,
        limits=context.admission.limits.of(owner),
        **sending,
    )
    context.telemetry.accepted(new_job)
    context.wakeups.job(new_job.id)
    return new_job


def _without_unfinished(rewrite: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What a section was to be, without the others that were left as they are: a retry writes them."""
    return rewrite and {name: value for name, value in rewrite.items() if name != "unfinished"}


def _is_begun(response: Mapping[str, Any]) -> bool:
    """Whether anything was written by a plan: then it has been agreed on."""
    return any(item["penstock"]["section"] for item in response["output"])


def checkpoints_of(response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The finished sections of a response, its plan among them, as rows of checkpoints."""
    output = response["output"]
    if outline := response["penstock"].get("outline"):
        plan = next(item for item in output if item["penstock"]["section"] == 0)
        yield {"section": 0, "items": orjson.dumps([{**_carried_over(plan), "outline": outline}]).decode()}
    finished = (item for item in output if item["type"] in ANSWERS and item["status"] == "completed")
    for section in dict.fromkeys(item["penstock"]["section"] for item in finished):
        items = [_carried_over(item) for item in output if item["penstock"]["section"] == section]
        yield {"section": section, "items": orjson.dumps(items).decode()}


def _carried_over(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item without what it was in the old job: when it was written, and what it replaced there."""
    return {
        **item,
        "penstock": {name: item["penstock"][name] for name in ("section", "title") if name in item["penstock"]},
    }
