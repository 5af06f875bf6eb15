"""`/v1/responses`: the Responses API in background mode, and what we add to it."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, g, request

from jobs.errors import InvalidRequest
from jobs.job import Job, Status
from jobs.requests import generation
from web.actions.cancel import cancel
from web.actions.delete import delete
from web.actions.metadata import change_metadata
from web.actions.retry import retry
from web.api import render
from web.api.creation import create, repetition
from web.api.numbers import parse_number
from web.context import WebContext
from web.relay import sse
from web.relay.shared_reads import SharedReads
from web.relay.viewer_socket import ViewerSocket

_CANCEL_SECONDS = 2.0


class Responses:
    """The handlers of `/v1/responses`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._jobs: SharedReads[tuple[str, str], Job] = SharedReads(lambda key: context.store.get(*key))

    def create(self) -> Response:
        """Accept a job, and answer with it, with its stream, or with its end."""
        return create(self._context, generation.parse, _answer, sse.without_ids)

    def page(self) -> Response:
        """The owner's jobs."""
        return render.page(self._context, g.owner, request.args)

    def input_items(self, job_id: str) -> Response:
        """What a job was asked, message by message."""
        return render.asked_items(self._context, self._context.store.get(g.owner, job_id), request.args)

    def retrieve(self, job_id: str) -> Response:
        """A job as it is, or its stream in the framing that is asked for."""
        context = self._context
        job = self._jobs.get((g.owner, job_id))
        if _flag("stream"):
            context.telemetry.follows(job)
            viewer = ViewerSocket.of(request.environ, sse.without_ids)
            return sse.openai(context.relay.follow(job, _cursor("starting_after"), viewer))
        if "text/event-stream" in request.headers.get("Accept", ""):
            return _event_source(context, job)
        return render.response(context, job)

    def update(self, job_id: str) -> Response:
        """Give a job other metadata."""
        context = self._context
        update = context.parsing.run(generation.validated, generation.UpdateRequest, request.get_data())
        return render.response(context, change_metadata(context, g.owner, job_id, update.metadata))

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
        return render.response(self._context, retry(self._context, g.owner, job_id, **repetition()))


def _answer(context: WebContext, job: Job, stream: Iterator[bytes]) -> Response:
    if job.request.background and not job.request.stream:
        return render.response(context, job)
    if job.request.stream:
        return sse.openai(stream)
    return Response(_awaited(context, job, stream), mimetype="application/json")


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
