"""A Responses server as a client sees it: JSON answers, and streams of events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

TERMINAL = ("completed", "failed", "incomplete", "cancelled")
TERMINAL_EVENTS = ("response.completed", "response.failed", "response.incomplete")
_CONNECT_SECONDS = 30

Event = dict[str, Any]


class Violation(Exception):
    """What the server does is not what the API promises; the words say what."""


def expect(condition: object, words: str) -> None:
    """Raise Violation unless the condition holds."""
    if not condition:
        raise Violation(words)


@dataclass(frozen=True)
class Answer:
    """An answer with JSON in it; `body` is None where there was none."""

    status: int
    body: Any


class Server:
    """The server at `base_url`, asked with an API key and for a model. `patience` is how long a job may take, in s."""

    def __init__(self, base_url: str, api_key: str, model: str | None, patience: float) -> None:
        parts = urlsplit(base_url.rstrip("/"))
        self._connect: Callable[[], HTTPConnection] = lambda: (
            HTTPSConnection if parts.scheme == "https" else HTTPConnection
        )(parts.netloc, timeout=max(patience, _CONNECT_SECONDS))
        self._path = parts.path
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        self._model = {"model": model} if model else {}
        self._patience = patience

    @contextmanager
    def _asked(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Iterator[HTTPResponse]:
        connection = self._connect()
        try:
            connection.request(method, self._path + path, body=body, headers={**self._headers, **headers})
            yield connection.getresponse()
        except (OSError, HTTPException) as error:
            raise Violation(f"{method} {path}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request. Raises Violation when it has no answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with self._asked(method, path, body, named) as answer:
            text = answer.read()
        try:
            return Answer(answer.status, json.loads(text) if text.strip() else None)
        except ValueError as error:
            raise Violation(f"{method} {path} is answered {answer.status} without JSON: {text[:80]!r}") from error

    def body(self, **fields: Any) -> bytes:
        """The body of a create in background mode."""
        return json.dumps({**self._model, "background": True, "store": True, **fields}).encode()

    def create(self, **fields: Any) -> dict[str, Any]:
        """A new background response. Raises Violation unless the answer is 200."""
        answer = self.ask("POST", "/responses", self.body(**fields))
        expect(answer.status == 200, f"a create is answered {answer.status}: {answer.body}")
        response: dict[str, Any] = answer.body
        return response

    def get(self, response_id: str) -> dict[str, Any]:
        """A response as it is now."""
        answer = self.ask("GET", f"/responses/{response_id}")
        expect(answer.status == 200, f"GET of a response that is there is answered {answer.status}: {answer.body}")
        response: dict[str, Any] = answer.body
        return response

    def ended(self, response_id: str) -> dict[str, Any]:
        """A response once it has ended."""
        deadline = time.monotonic() + self._patience
        while (response := self.get(response_id))["status"] not in TERMINAL:
            expect(time.monotonic() < deadline, f"still {response['status']} after {self._patience:.0f} s")
            time.sleep(0.1)
        return response

    @contextmanager
    def created_stream(self, **fields: Any) -> Iterator[Iterator[Event]]:
        """The stream of a new background response."""
        with self._asked("POST", "/responses", self.body(stream=True, **fields), {}) as answer:
            yield _events(answer)

    @contextmanager
    def stream(self, response_id: str, after: int | None = None) -> Iterator[Iterator[Event]]:
        """The stream of a response, from the beginning or behind an event."""
        cursor = "" if after is None else f"&starting_after={after}"
        with self._asked("GET", f"/responses/{response_id}?stream=true{cursor}", None, {}) as answer:
            yield _events(answer)


def _events(answer: HTTPResponse) -> Iterator[Event]:
    """The events of a stream as they come; `[DONE]` is none. Raises Violation."""
    kind = answer.headers.get("Content-Type", "")
    if answer.status != 200:
        raise Violation(f"a stream is answered {answer.status}: {answer.read(200)!r}")
    expect(kind.startswith("text/event-stream"), f"a stream has the content type {kind!r}")
    name, data = "", b""
    for line in answer:
        field, _, value = line.rstrip(b"\r\n").partition(b":")
        if field == b"event":
            name = value.strip().decode()
        elif field == b"data":
            data += value.strip()
        elif not field and not value and data:
            if data != b"[DONE]":
                yield _event(name, data)
            name, data = "", b""


def _event(name: str, data: bytes) -> Event:
    try:
        event: Event = json.loads(data)
    except ValueError as error:
        raise Violation(f"an event without JSON: {data[:80]!r}") from error
    expect(not name or event.get("type") == name, f"an event is called {name!r} and has the type {event.get('type')!r}")
    return event
