"""`/v1/prompts`: the prompts that jobs may name, as their files are now."""

from __future__ import annotations

from typing import Any

from flask import Response

from jobs.errors import InvalidRequest, NotFound
from jobs.requests.prompts import Prompt
from web.api import render
from web.context import WebContext

_SHOWN = {"id", "version", "title", "description", "inputs", "messages", "section", "summary", "model", "parts"}


class PromptRoutes:
    """The handlers of prompts."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def page(self) -> Response:
        """All of them."""
        return render.json({"object": "list", "data": list(map(_wire, self._context.prompts)), "has_more": False})

    def retrieve(self, prompt_id: str) -> Response:
        """One of them. Raises NotFound."""
        try:
            return render.json(_wire(self._context.prompts.get(prompt_id, None)))
        except InvalidRequest as error:
            raise NotFound(str(error)) from error


def _wire(prompt: Prompt) -> dict[str, Any]:
    return {"object": "prompt", "revision": prompt.revision, **prompt.model_dump(mode="json", include=_SHOWN)}
