"""A create, by whichever API: the job is stored, or found again, and its stream is handed to who answers with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, cast

from flask import Response, g, request

from jobs.errors import InvalidRequest, LimitReached
from jobs.job import Job
from jobs.requests.generation import CreateRequest
from jobs.storage.acceptance import hash_of
from web.actions.submit import submit
from web.context import WebContext
from web.http.request import Request
from web.relay.disconnect import on_disconnect
from web.relay.viewer_socket import Framing, ViewerSocket

_MAX_KEY = 255

Parse = Callable[[bytes], CreateRequest]
Answer = Callable[[WebContext, Job, Iterator[bytes]], Response]


def create(context: WebContext, parse: Parse, answer: Answer, framing: Framing | None = None) -> Response:
    """Accept the job of this request's body, and answer with it, with its stream, or with its end.

    With a `framing`, the frames of a stream may be written straight to the viewer's socket. A connection that drops
    cancels a job without `background`. Raises InvalidRequest, LimitReached.
    """
    waiter = context.waiters.open()
    leave = partial(context.waiters.leave, waiter)
    try:
        job = _submitted(context, waiter, parse)
        if job.request.background:
            leave = partial(context.waiters.abandon, waiter)
        viewer = ViewerSocket.of(request.environ, framing) if framing and job.request.stream else None
        frames = context.relay.follow(job, viewer=viewer)
        first = next(frames, b"")  # subscribes, so that the worker's first frame finds a listener
        made = answer(context, job, _attached(job, first, frames, request.environ, leave))
    except BaseException:
        leave()
        raise
    # Not at the end of a generator: one that is never begun has none.
    made.call_on_close(leave)
    return made


def _submitted(context: WebContext, waiter: str, parse: Parse) -> Job:
    """The job of this create: the one that was made when it was sent before, or else a new one. Raises InvalidRequest.

    The former before the body is validated: it is the answer even if the body could not be accepted any more.
    """
    body = cast(Request, request).get_data_with_images(context.settings.max_image_bytes)
    body_hash = hash_of(body)
    repeated = repetition()
    if repeated["client_retry"] and context.admission.is_retry_of_refusal(g.owner, body_hash):
        repeated["client_retry"] = 0
    job = context.store.earlier(g.owner, body_hash, waiter=waiter, **repeated)
    if job is not None:
        return job
    wanted = context.parsing.run(parse, body)
    try:
        return submit(context, g.owner, wanted, body_hash=body_hash, waiter=waiter, **repeated)
    except LimitReached:
        context.admission.note_refusal(g.owner, body_hash)
        raise


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


def repetition() -> dict[str, Any]:
    """What tells a repeated request from a new one: the client's key, and the count of its silent retries."""
    key = request.headers.get("Idempotency-Key", "").strip()
    count = request.headers.get("x-stainless-retry-count", "")
    if len(key) > _MAX_KEY:
        raise InvalidRequest(f"An Idempotency-Key has at most {_MAX_KEY} characters.", param="Idempotency-Key")
    client_retry = int(count) if re.fullmatch("[0-9]{1,3}", count) else 0
    return {"idempotency_key": key or None, "client_retry": client_retry}
