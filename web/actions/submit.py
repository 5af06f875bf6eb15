"""A new job out of a create: what it keeps of the request, with what was said before it."""

from __future__ import annotations

from typing import Any

from jobs.requests import generation
from jobs.requests.generation import CreateRequest
from web.actions import conversation
from web.context import WebContext


def accepted_request(context: WebContext, owner: str, asked: CreateRequest) -> dict[str, Any]:
    """What a new job of the owner keeps of a request. Raises InvalidRequest."""
    model = generation.named_model(asked, context.prompts) or context.models.default()
    before = asked.previous_response_id
    history = conversation.history(context.store, owner, before) if before else []
    return generation.accept(
        asked, context.prompts, default_model=model, allowed=context.settings.models, history=history
    )
