"""A new job out of a create: what it keeps of the request, with what was said before it."""

from __future__ import annotations

from jobs.requests.generation import CreateRequest
from jobs.requests.job_request import JobRequest, named_model
from web.actions import conversation
from web.context import WebContext


def accepted_request(context: WebContext, owner: str, asked: CreateRequest) -> JobRequest:
    """What a new job of the owner keeps of a request. Raises InvalidRequest."""
    model = named_model(asked, context.prompts) or context.models.default()
    before = asked.previous_response_id
    history = conversation.history(context.store, owner, before) if before else []
    return JobRequest.from_create(
        asked, context.prompts, default_model=model, allowed=context.settings.models, history=history
    )
