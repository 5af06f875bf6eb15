"""HTTP without a client's help: the bytes as they come."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

_COMMENT = b":"
# What stands in the block of an EventSource's first frame before it.
_RETRY = re.compile(rb"\Aretry: \d+\n(:[^\n]*\n)*")


def request(
    url: str, path: str, *, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None
) -> HTTPResponse:
    """One request; its connection ends with the answer, which is for the caller to close."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request(method, path, body=body, headers={"Connection": "close", **(headers or {})})
        return connection.getresponse()
    except OSError:
        connection.close()  # getresponse leaves it open when no answer comes in time
        raise


def fetch(
    url: str, path: str, *, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[int, Any]:
    """Status and JSON of one answer."""
    with request(url, path, method=method, headers=headers, body=body) as answer:
        return answer.status, json.loads(answer.read())


def create(url: str, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    """A new background job, as its response."""
    body = json.dumps({"background": True, **fields}).encode()
    status, job = fetch(url, "/v1/responses", method="POST", headers=headers, body=body)
    assert status == 200, job
    return job


def raw_stream(url: str, job_id: str, after: int | None = None) -> bytes:
    """A job's stream in OpenAI's framing up to its end, without the comments."""
    cursor = "" if after is None else f"&starting_after={after}"
    return _frames(request(url, f"/v1/responses/{job_id}?stream=true{cursor}"))


def event_source(url: str, job_id: str, last_event_id: int | None = None) -> tuple[int, bytes]:
    """Status and frames of a job's stream as a browser asks for it."""
    answer = open_event_source(url, job_id, last_event_id)
    return answer.status, _frames(answer)


def open_event_source(url: str, job_id: str, last_event_id: int | None = None) -> HTTPResponse:
    """The same, still being sent."""
    headers = {"Accept": "text/event-stream"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = str(last_event_id)
    return request(url, f"/v1/responses/{job_id}", headers=headers)


def blocks(answer: HTTPResponse) -> Iterator[bytes]:
    """The blocks of a stream, comments too but no `retry:`, each as soon as it is whole; ends where the stream ends."""
    rest = b""
    while piece := answer.read1():
        *whole, rest = (rest + piece).split(b"\n\n")
        for block in whole:
            yield _RETRY.sub(b"", block) + b"\n\n"
    assert not rest, f"the stream ended in the middle of a block: {rest!r}"


def _frames(answer: HTTPResponse) -> bytes:
    with answer:
        return b"".join(block for block in blocks(answer) if not block.startswith(_COMMENT))


def assert_refused(status: int, body: Any, expected: int = 400) -> dict[str, Any]:
    """The error in an answer of OpenAI's envelope that says what the client did wrong."""
    assert status == expected, body
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    return error
