"""`/v1/responses`: the Responses API in background mode, and what we add to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Blueprint, Response, g, request

from jobs.errors import InvalidRequest, JobNotFound
from jobs.job import Job, Status
from jobs.protocol import events
from jobs.requests import generation as creation
from web.actions.cancel import cancel, delete
from web.actions.retry import retry
from web.actions.submit import accepted_request
from web.api import render
from web.context import WebContext
from web.relay import sse
from web.relay.disconnect import on_disconnect

_CANCEL_SECONDS = 2.0
_MAX_DIGITS = 15
_MAX_KEY = 255


class Responses:
    """The handlers of `/v1/responses`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def routes(self) -> Blueprint:
        """The handlers at their addresses."""
        api = Blueprint("responses", __name__, url_prefix="/v1/responses")
        api.post("")(self.create)
        api.get("")(self.page)
        api.get("/<job_id>")(self.retrieve)
        api.delete("/<job_id>")(self.delete)
        api.get("/<job_id>/input_items")(self.input_items)
        api.post("/<job_id>/cancel")(self.cancel)
        api.post("/<job_id>/retry")(self.retry)
        return api

    def create(self) -> Response:
        """Accept a job, and answer with it, with its stream, or with its end."""
        context, asked = self._context, creation.parse(request.get_data())
        kept = accepted_request(context, g.owner, asked)
        job = context.store.accept(g.owner, kept, **_sending())
        frames = context.relay.follow(job)
        first = next(frames, b"")  # subscribes, so that the worker's first frame already finds a listener
        context.wakeups.job(job.id)
        if asked.background and not asked.stream:
            return render.response(context, job)
        stream = _attached(context, job, first, frames, request.environ)
        answer = stream if asked.stream else _awaited(context, job, stream)
        if not kept.store:
            answer = _forgotten(context, job, answer)
        return sse.openai(answer) if asked.stream else Response(answer, mimetype="application/json")

    def page(self) -> Response:
        """The owner's jobs."""
        return render.page(self._context, g.owner, request.args)

    def input_items(self, job_id: str) -> Response:
        """What a job was asked, message by message."""
        return render.input_items(self._context.store.get(g.owner, job_id), request.args)

    def retrieve(self, job_id: str) -> Response:
        """A job as it is, or its stream in the framing that is asked for."""
        context = self._context
        job = context.store.get(g.owner, job_id)
        if _flag("stream"):
            return sse.openai(context.relay.follow(job, _cursor("starting_after")))
        if "text/event-stream" in request.headers.get("Accept", ""):
            return _event_source(context, job)
        return render.response(context, job)

    def delete(self, job_id: str) -> Response:
        """Cancel a job if it runs, and remove it."""
        delete(self._context, g.owner, job_id)
        return render.json({"id": job_id, "object": "response.deleted", "deleted": True})

    def cancel(self, job_id: str) -> Response:
        """End a job, at once or when its sentences end, and keep what it has written; once more is no error."""
        job, wish = self._context.store.get(g.owner, job_id), creation.parse_cancel(request.get_data())
        if job.status.is_terminal and job.status is not Status.CANCELLED:
            raise InvalidRequest(f"Cannot cancel a {job.status} response.")
        return render.response(self._context, cancel(self._context, job, _CANCEL_SECONDS, graceful=wish.graceful))

    def retry(self, job_id: str) -> Response:
        """Queue an ended job anew."""
        job = retry(self._context.store, g.owner, job_id, **_sending())
        self._context.wakeups.job(job.id)
        return render.response(self._context, job)


def _attached(
    context: WebContext, job: Job, first: bytes, frames: Iterator[bytes], environ: Mapping[str, Any]
) -> Iterator[bytes]:
    """A created job's stream. Without `background`, leaving it early cancels the job."""
    if job.request.background:
        yield first
        yield from frames
        return
    ended, leave = False, partial(cancel, context, job, 0)
    try:
        with on_disconnect(environ, leave):
            yield first
            for piece in frames:
                ended = ended or events.is_terminal(piece)
                yield piece
    finally:
        if not ended:
            leave()


def _awaited(context: WebContext, job: Job, stream: Iterator[bytes]) -> Iterator[bytes]:
    """The response once it has ended. Spaces before it keep the connection, and tell when it is gone."""
    for piece in stream:
        if not piece:
            yield b" "
    yield context.store.get(job.owner, job.id).response or b"{}"


def _forgotten(context: WebContext, job: Job, answer: Iterator[bytes]) -> Iterator[bytes]:
    """With `store: false`, the answer is all that is ever given."""
    try:
        yield from answer
    finally:
        with suppress(JobNotFound):
            context.store.delete(job.owner, job.id)
        context.wakeups.deleted(job.id)


def _event_source(context: WebContext, job: Job) -> Response:
    """A browser's stream from the last id it saw; 204, which ends it for good, when nothing is left."""
    seen = request.headers.get("Last-Event-ID")
    after = _number(seen, "Last-Event-ID") if seen else _cursor("starting_after")
    frames = context.relay.follow(job, after)
    if not job.status.is_terminal:
        return sse.event_source(frames)
    rest = next(frames, None)
    return Response(status=204) if rest is None else sse.event_source(_resumed(rest, frames))


def _resumed(first: bytes, frames: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from frames


def _sending() -> dict[str, Any]:
    """How the client sends this request: under a key of its own, or for the how manieth time again."""
    key, again = request.headers.get("Idempotency-Key", "").strip(), request.headers.get("x-stainless-retry-count", "")
    if len(key) > _MAX_KEY:
        raise InvalidRequest(f"An Idempotency-Key has at most {_MAX_KEY} characters.", param="Idempotency-Key")
    return {"idempotency_key": key or None, "retried": int(again) if re.fullmatch("[0-9]{1,3}", again) else 0}


def _flag(name: str) -> bool:
    value = request.args.get(name, "false").lower()
    if value not in ("true", "false", "1", "0"):
        raise InvalidRequest(f"'{name}' must be true or false.", param=name)
    return value in ("true", "1")


def _cursor(name: str) -> int:
    """The number after which a stream begins; -1, which is before the first, when none is given."""
    given = request.args.getlist(name)
    if len(given) > 1:
        raise InvalidRequest(f"'{name}' is given twice.", param=name)
    return _number(given[0], name) if given else -1


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise InvalidRequest(f"'{name}' must be a sequence number: 0, 1, 2, ...", param=name)
    return int(text)
