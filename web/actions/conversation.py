"""The conversation that a response with `previous_response_id` goes on with."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from jobs.errors import InvalidRequest, JobNotFound
from jobs.protocol.fold import readable_text
from jobs.requests.messages import messages_of
from jobs.requests.prompts import Message
from jobs.storage.store import Store

MAX_TURNS = 32


def history(store: Store, owner: str, previous_id: str) -> list[Sequence[Message]]:
    """The turns up to the end of the response `previous_id`, oldest first, without its instructions.

    They are copied, so that deleting that response takes nothing from those that go on with it. Raises
    InvalidRequest.
    """
    try:
        job = store.get(owner, previous_id)
    except JobNotFound:
        raise _refused(f"Previous response with id '{previous_id}' not found.", "previous_response_not_found") from None
    if job.response is None:
        raise _refused(f"Response '{previous_id}' has not ended yet: wait for it before you go on with it.")
    turns = job.request.history
    if len(turns) >= MAX_TURNS:
        raise _refused(f"A conversation goes back {MAX_TURNS} responses at most: begin a new one with what matters.")
    response = orjson.loads(job.response)
    answer = messages_of(response["output"], readable_text(response))
    return [*turns, [*job.request.messages, *answer]]


def _refused(message: str, code: str | None = None) -> InvalidRequest:
    return InvalidRequest(message, param="previous_response_id", code=code)
