"""`/v1/responses`: the Responses API in background mode, and what we add to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from flask import Response, g, request

from jobs.errors import InvalidRequest, LimitReached
from jobs.job import Job, Status
from jobs.requests import generation
from jobs.storage.acceptance import hash_of
from web.actions.cancel import cancel
from web.actions.delete import delete
from web.actions.retry import retry
from web.actions.submit import submit
from web.api import render
from web.api.numbers import parse_number
from web.context import WebContext
from web.relay import sse
from web.relay.disconnect import on_disconnect
from web.relay.viewer_socket import ViewerSocket

_CANCEL_SECONDS = 2.0
_MAX_KEY = 255


class Responses:
    """The handlers of `/v1/responses`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def create(self) -> Response:
        """Accept a job, and answer with it, with its stream, or with its end."""
        context = self._context
        waiter = context.waiters.open()
        leave = partial(context.waiters.leave, waiter)
        try:
            job = _submitted(context, waiter)
            if job.request.background:
                leave = partial(context.waiters.abandon, waiter)
            answer = _answer(context, job, leave)
        except BaseException:
            leave()
            raise
        # Not at the end of a generator: one that is never begun has none.
        answer.call_on_close(leave)
        return answer

    def page(self) -> Response:
        """The owner's jobs."""
        return render.page(self._context, g.owner, request.args)

    def input_items(self, job_id: str) -> Response:
        """What a job was asked, message by message."""
        return render.asked_items(self._context.store.get(g.owner, job_id), request.args)

    def retrieve(self, job_id: str) -> Response:
        """A job as it is, or its stream in the framing that is asked for."""
        context = self._context
        job = context.store.get(g.owner, job_id)
        if _flag("stream"):
            context.telemetry.follows(job)
            viewer = ViewerSocket.of(request.environ, sse.without_ids)
            return sse.openai(context.relay.follow(job, _cursor("starting_after"), viewer))
        if "text/event-stream" in request.headers.get("Accept", ""):
            return _event_source(context, job)
        return render.response(context, job)

    def delete(self, job_id: str) -> Response:
        """Cancel a job if it runs, and remove it."""
        delete(self._context, g.owner, job_id)
        return render.json({"id": job_id, "object": "response.deleted", "deleted": True})

    def cancel(self, job_id: str) -> Response:
        """End a job, at once or when its sentences end, and keep what it has written; once more is no error."""
        context = self._context
        job = context.store.get(g.owner, job_id)
        wish = generation.parse_cancel(request.get_data())
        if job.status.is_terminal and job.status is not Status.CANCELLED:
            raise InvalidRequest(f"Cannot cancel a {job.status} response.")
        job = cancel(context, g.owner, job_id, graceful=wish.graceful, wait_seconds=_CANCEL_SECONDS)
        return render.response(context, job)

    def retry(self, job_id: str) -> Response:
        """Queue an ended job anew."""
        return render.response(self._context, retry(self._context, g.owner, job_id, **_repetition()))


def _submitted(context: WebContext, waiter: str) -> Job:
    """The job of this create: the one that was made when it was sent before, or else a new one. Raises InvalidRequest.

    The former before the body is validated: it is the answer even if the body could not be accepted any more.
    """
    body = request.get_data()
    body_hash = hash_of(body)
    repetition = _repetition()
    if repetition["client_retry"] and context.admission.is_retry_of_refusal(g.owner, body_hash):
        repetition["client_retry"] = 0
    job = context.store.earlier(g.owner, body_hash, waiter=waiter, **repetition)
    if job is not None:
        return job
    wanted = context.parsing.run(generation.parse, body)
    try:
        return submit(context, g.owner, wanted, body_hash=body_hash, waiter=waiter, **repetition)
    except LimitReached:
        context.admission.note_refusal(g.owner, body_hash)
        raise


def _answer(context: WebContext, job: Job, leave: Callable[[], None]) -> Response:
    viewer = ViewerSocket.of(request.environ, sse.without_ids) if job.request.stream else None
    frames = context.relay.follow(job, viewer=viewer)
    first = next(frames, b"")  # subscribes, so that the worker's first frame finds a listener
    if job.request.background and not job.request.stream:
        return render.response(context, job)
    stream = _attached(job, first, frames, request.environ, leave)
    if job.request.stream:
        return sse.openai(stream)
    return Response(_awaited(context, job, stream), mimetype="application/json")


def _attached(
    job: Job, first: bytes, frames: Iterator[bytes], environ: Mapping[str, Any], leave: Callable[[], None]
) -> Iterator[bytes]:
    """A created job's stream. Without `background`, leaving it early cancels the job."""
    if job.request.background:
        yield first
        yield from frames
        return
    with on_disconnect(environ, leave):
        yield first
        yield from frames


def _awaited(context: WebContext, job: Job, stream: Iterator[bytes]) -> Iterator[bytes]:
    """The response once it has ended. Spaces before it keep the connection, and tell when it is gone."""
    for piece in stream:
        if not piece:
            yield b" "
    yield context.store.get(job.owner, job.id).response or b"{}"


def _event_source(context: WebContext, job: Job) -> Response:
    """A browser's stream from the last id it saw; 204, which ends it for good, when nothing is left."""
    last_id = request.headers.get("Last-Event-ID")
    after = parse_number(last_id, "Last-Event-ID") if last_id else _cursor("starting_after")
    context.telemetry.follows(job)
    frames = context.relay.follow(job, after, ViewerSocket.of(request.environ, sse.with_ids))
    if not job.status.is_terminal:
        return sse.event_source(frames)
    rest = next(frames, None)
    return Response(status=204) if rest is None else sse.event_source(_resumed(rest, frames))


def _resumed(first: bytes, frames: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from frames


def _repetition() -> dict[str, Any]:
    """What tells a repeated request from a new one: the client's key, and the count of its silent retries."""
    key = request.headers.get("Idempotency-Key", "").strip()
    count = request.headers.get("x-stainless-retry-count", "")
    if len(key) > _MAX_KEY:
        raise InvalidRequest(f"An Idempotency-Key has at most {_MAX_KEY} characters.", param="Idempotency-Key")
    client_retry = int(count) if re.fullmatch("[0-9]{1,3}", count) else 0
    return {"idempotency_key": key or None, "client_retry": client_retry}


def _flag(name: str) -> bool:
    value = request.args.get(name, "false").lower()
    if value not in ("true", "false", "1", "0"):
        raise InvalidRequest(f"'{name}' must be true or false.", param=name)
    return value in ("true", "1")


def _cursor(name: str) -> int:
    """The number after which a stream begins; -1, which is before the first, when none is given."""
    values = request.args.getlist(name)
    if len(values) > 1:
        raise InvalidRequest(f"'{name}' is given twice.", param=name)
    return parse_number(values[0], name) if values else -1
