"""The web server: takes jobs, and gives each viewer a subscription of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from flask import Flask, Response, request

from bench._by_hand.tasks import DONE, generate, store

app = Flask(__name__)


@app.post("/jobs")
def create() -> dict[str, str]:
    """Queue a job."""
    job_id = uuid.uuid4().hex
    generate.delay(job_id, request.get_json()["prompt"])
    return {"id": job_id}


@app.get("/jobs/<job_id>/stream")
def stream(job_id: str) -> Response:
    """What was said so far, then what is said."""
    return Response(_messages(job_id), mimetype="text/event-stream")


def _messages(job_id: str) -> Iterator[str]:
    with store.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(job_id)  # before the list is read: better a message twice than never
        for message in store.lrange(f"{job_id}:messages", 0, -1):
            yield f"data: {message}\n\n"
            if message == DONE:
                return
        for heard in pubsub.listen():
            yield f"data: {heard['data']}\n\n"
            if heard["data"] == DONE:
                return
