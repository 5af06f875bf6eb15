"""HTTP without a client's help: the bytes as they come."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

_COMMENT = b":"


def request(
    url: str, path: str, *, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None
) -> HTTPResponse:
    """One request; its connection ends with the answer, which is for the caller to close."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.request(method, path, body=body, headers={"Connection": "close", **(headers or {})})
    return connection.getresponse()


def raw_stream(url: str, job_id: str, after: int | None = None) -> bytes:
    """A job's stream in OpenAI's framing up to its end, without the comments."""
    cursor = "" if after is None else f"&starting_after={after}"
    return _frames(request(url, f"/v1/responses/{job_id}?stream=true{cursor}"))


def event_source(url: str, job_id: str, last_event_id: int | None = None) -> tuple[int, bytes]:
    """Status and frames of a job's stream as a browser asks for it."""
    headers = {"Accept": "text/event-stream"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = str(last_event_id)
    answer = request(url, f"/v1/responses/{job_id}", headers=headers)
    return answer.status, _frames(answer)


def _frames(answer: HTTPResponse) -> bytes:
    with answer:
        blocks = answer.read().split(b"\n\n")
    kept = [block for block in blocks if block and not block.startswith((_COMMENT, b"retry:"))]
    return b"".join(block + b"\n\n" for block in kept)
