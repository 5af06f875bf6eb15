"""The line of facts about a job."""

from __future__ import annotations

from typing import cast

import pytest
from flask import Flask, render_template

from jobs.storage.queue.position import MOST
from web.context import WebContext
from web.pages.layout import Layout

NO_CONTEXT = cast("WebContext", None)  # no template here asks for it


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (0, "next in the queue"),
        (7, "7 before it in the queue, the first for 3 s"),
        (MOST, "1,000 or more before it in the queue, the first for 3 s"),
    ],
)
def test_a_queued_jobs_place_is_told(before: int, words: str) -> None:
    app = Flask("web")
    Layout(NO_CONTEXT).install(app)
    app.template_context_processors[None].clear()
    state = {"queue_position": before, "oldest_wait_seconds": 3, "attempt": 0, "elapsed": 4, "total": 1, "silent": 0}
    with app.test_request_context():
        assert f"<span>{words}</span>" in render_template("facts.html", state=state)
