"""`/v1/responses/{id}/thread`: what was asked about a text, and another question."""

from __future__ import annotations

from typing import Any

from flask import Response, g, request

from jobs.job import Job
from jobs.requests.generation import validated
from web.actions.thread import Question, ask, asked, thread
from web.api import render
from web.api.creation import repetition
from web.context import WebContext


class ThreadRoutes:
    """The handlers of a thread."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def show(self, job_id: str) -> Response:
        """The turns that a job is one of, the oldest first."""
        turns = thread(self._context, self._context.store.get(g.owner, job_id))
        return render.json({"object": "list", "data": [_wire(turn) for turn in turns], "has_more": False})

    def ask(self, job_id: str) -> Response:
        """Go on with a job: the new one."""
        self._context.store.get(g.owner, job_id)
        question = validated(Question, request.get_data()).question
        return render.response(self._context, ask(self._context, g.owner, job_id, question, **repetition()))


def _wire(turn: Job) -> dict[str, Any]:
    return {
        "id": turn.id,
        "object": "response.turn",
        "previous_response_id": turn.request.previous_response_id,
        "question": asked(turn),
        "status": turn.status,
        "created_at": int(turn.created_at),
    }
