"""The conversation that a response with `previous_response_id` goes on with."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from jobs.errors import InvalidRequest, JobNotFound
from jobs.job import Job
from jobs.protocol.fold import readable_text
from jobs.requests.messages import messages_of
from jobs.requests.prompts import Message
from jobs.storage.store import Store

MAX_TURNS = 32


def previous(store: Store, owner: str, previous_id: str) -> Job:
    """The response that is gone on with. Raises InvalidRequest when it is not there, or has not ended."""
    try:
        job = store.get(owner, previous_id)
    except JobNotFound:
        raise _refused(f"Previous response with id '{previous_id}' not found.", "previous_response_not_found") from None
    if job.response is None:
        raise _refused(f"Response '{previous_id}' has not ended yet: wait for it before you go on with it.")
    return job


def history(job: Job) -> list[Sequence[Message]]:
    """The turns up to the end of a response, oldest first, without its instructions.

    They are copied, so that deleting that response takes nothing from those that go on with it. Raises
    InvalidRequest.
    """
    turns = job.request.history
    if len(turns) >= MAX_TURNS:
        raise _refused(f"A conversation goes back {MAX_TURNS} responses at most: begin a new one with what matters.")
    response = orjson.loads(job.response or b"")
    answer = messages_of(response["output"], readable_text(response))
    return [*turns, [*_question(job), *answer]]


def _question(job: Job) -> Sequence[Message]:
    """What a response was asked. Of a report that is its topic: its messages ask for a plan, and for nothing else."""
    if not job.request.plan:
        return job.request.messages
    return [
        {"role": "user", "content": str(job.request.variables.get("topic") or job.title or job.request.search_text)}
    ]


def _refused(message: str, code: str | None = None) -> InvalidRequest:
    return InvalidRequest(message, param="previous_response_id", code=code)
