"""`/prompts`: what each prompt asks for, and what it tells the model."""

from __future__ import annotations

from flask import render_template

from jobs.requests.prompts import PLANNED
from web.context import WebContext


class PromptsPage:
    """The handler of `/prompts`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def show(self) -> str:
        """All prompts, as their files are now."""
        return render_template("prompts.html", prompts=list(self._context.prompts), steps=list(PLANNED))
