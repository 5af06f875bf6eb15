"""`POST /v1/chat/completions`: answered whole or as a stream of chunks, out of a job like any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import orjson
from flask import Response, request

from jobs.job import Job, Status
from jobs.protocol import events
from jobs.requests import chat_request
from jobs.requests.generation import CreateRequest
from web.api import render
from web.api.chat.completion import Chunks, Restarted, completion
from web.api.creation import create
from web.context import WebContext
from web.errors import envelope
from web.relay import sse

_RESTARTED = {
    "message": "The model began its answer again in other words, and what was sent cannot be taken back.",
    "type": "server_error",
    "code": "restarted",
}
_CANCELLED = {"message": "The response was cancelled.", "type": "server_error", "code": "cancelled"}
_DONE = b"data: [DONE]\n\n"


class ChatCompletions:
    """The handler of `/v1/chat/completions`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def create(self) -> Response:
        """Accept a job, wait for its end or hand out its stream; a dropped connection cancels it."""
        context = self._context
        chat, wanted = context.parsing.run(chat_request.parse, request.get_data())

        def parse(_: bytes) -> CreateRequest:
            return wanted

        include_usage = bool(chat.stream_options and chat.stream_options.include_usage)
        return create(context, parse, partial(_answer, include_usage=include_usage))


def _answer(context: WebContext, job: Job, stream: Iterator[bytes], *, include_usage: bool) -> Response:
    if job.request.stream:
        return sse.openai(_chunks(stream, Chunks(include_usage=include_usage)))
    for _ in stream:  # nothing is sent meanwhile: a failure has to be told by the answer's status
        pass
    return _whole(context.store.get(job.owner, job.id))


def _whole(job: Job) -> Response:
    """The completion, or the error that the job ended with; no retry of the client's would mend it."""
    response = orjson.loads(job.response or b"{}")
    if error := _error_of(response):
        status = 500 if job.status is Status.FAILED else 400
        answer = envelope(status, error["message"], kind=error["type"], code=error["code"])
        answer.headers["x-should-retry"] = "false"
        return answer
    return render.json(completion(response))


def _error_of(response: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Why an ended response is no answer; None when it is one, if not a whole one."""
    if response["status"] == Status.CANCELLED:
        return _CANCELLED
    error: Mapping[str, str] | None = response["error"]
    return error and {"type": "server_error", **error}


def _chunks(stream: Iterator[bytes], chunks: Chunks) -> Iterator[bytes]:
    """The frames of a job as those of chat completions; empty ones, which are heartbeats, as they are."""
    for piece in stream:
        if not piece:
            yield piece
        for frame in events.split(piece):
            event = events.event_of(frame)
            if event["type"] in events.TERMINAL and (error := _error_of(event["response"])):
                yield _frame({"error": {**error, "param": None}})
                return
            try:
                yield from map(_frame, chunks.feed(event))
            except Restarted:
                yield _frame({"error": {**_RESTARTED, "param": None}})
                return
    yield _DONE


def _frame(value: object) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(value)
