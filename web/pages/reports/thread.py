"""The thread that a job is a turn of, as its page shows it, and the box that goes on with it."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import g, redirect, render_template, request, url_for
from markupsafe import Markup

from jobs.errors import InvalidRequest, LimitReached
from jobs.job import Job
from jobs.requests.generation import validated
from web.actions.thread import Question, ask, asked, thread
from web.context import WebContext
from web.limits.words import sentence
from web.pages.i18n import _
from web.pages.job_view import rendered_items
from web.pages.titles import title


class Turn(NamedTuple):
    """One turn of a thread: its job, what it was asked, and its text, as far as it has ended."""

    job: Job
    title: str
    question: str
    html: Markup


class ThreadPage:
    """The handler of the box."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def ask(self, job_id: str) -> Any:
        """A question was sent: to the page of the job that answers it."""
        self._context.store.get(g.owner, job_id)
        try:
            question = validated(Question, {"question": request.form.get("question", "")}).question
            job = ask(self._context, g.owner, job_id, question)
        except LimitReached as error:
            return render_template("limited.html", problem=sentence(error, _)), 429
        except InvalidRequest as error:
            return render_template("limited.html", problem=error.sentence(_)), 400
        return redirect(url_for("job.show", job_id=job.id), 303)


def thread_view(context: WebContext, job: Job) -> dict[str, Any]:
    """What the templates need of a job's thread: the turns `before` and `after` it, and what it was itself `asked`."""
    turns = thread(context, job)
    at = next(number for number, turn in enumerate(turns) if turn.id == job.id)
    is_turn = job.request.previous_response_id is not None
    return {
        "before": [_turn(context, turn) for turn in turns[:at]],
        "asked": asked(job) if is_turn else "",
        "after": [Turn(turn, title(turn), asked(turn), Markup()) for turn in turns[at + 1 :]],
    }


def _turn(context: WebContext, turn: Job) -> Turn:
    items = rendered_items(context, turn) if turn.response is not None else []
    messages = (item.html for item in items if item.summary["type"] == "message")
    return Turn(turn, title(turn), asked(turn), Markup().join(messages))
