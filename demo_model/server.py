"""The routes of the demo model's server."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import closing, suppress

from demo_model.chat_request import parse_chat_request, plain
from demo_model.completion import Completion
from demo_model.http_connection import HttpError, HttpResponse, read_request
from demo_model.request_statistics import EVENTS, RequestStatistics

MODELS = {"object": "list", "data": [{"id": "demo", "object": "model", "created": 0, "owned_by": "penstock"}]}


class Server:
    """Answers requests; holds nothing but the statistics of each prompt."""

    def __init__(self) -> None:
        self._statistics: defaultdict[str, RequestStatistics] = defaultdict(RequestStatistics)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a client's one request; stop at the moment when the client goes."""
        response = HttpResponse(writer)
        # Suppressed: the client has gone, or the server is to end. If there was a request, its statistics show it.
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            try:
                answering = asyncio.create_task(self._route(response, *await read_request(reader)))
                watching = asyncio.create_task(_cancel_at_end(reader, answering))
                try:
                    await answering
                finally:
                    watching.cancel()
            except HttpError as error:
                await response.json(error.body, error.status, **error.headers)

    async def _route(self, response: HttpResponse, route: str, query: dict[str, str], body: bytes) -> None:
        match route:
            case "POST /chat/completions":
                await self._chat(body, response)
            case "GET /models":
                await response.json(MODELS)
            case "GET /healthz":
                await response.json({"ok": True})
            case "GET /stats" if "key" in query:
                await response.json(self._statistics.get(_key(query["key"]), RequestStatistics()).view())
            case "GET /stats":
                await response.json(
                    {"prompts": {key: statistics.view() for key, statistics in self._statistics.items()}}
                )
            case "GET /stats/wait":
                await self._wait(query, response)
            case "POST /stats/reset":
                self._statistics.clear()
                await response.json({"ok": True})
            case unknown:
                raise HttpError(f"Unknown URL: {unknown}.", 404, "unknown_url")

    async def _chat(self, body: bytes, response: HttpResponse) -> None:
        chat_request = parse_chat_request(body)
        # A request keeps its statistics: after a reset its end must not count among the new requests.
        statistics = self._statistics[_key(chat_request.prompt)]
        script = chat_request.script.on_request(statistics.note("request"))
        end = "closed_by_client"
        try:
            end = "finished" if await Completion(chat_request, script, response, statistics).send() else "failed"
        except HttpError:
            end = "failed"
            raise
        finally:
            statistics.note(end)

    async def _wait(self, query: dict[str, str], response: HttpResponse) -> None:
        """Answer when the event has happened `count` times for the key; 408 after `timeout` seconds."""
        try:
            async with asyncio.timeout(float(query.get("timeout", 10))):
                statistics, count = self._statistics[_key(query["key"])], int(query.get("count", 1))
                at = await statistics.wait(query["event"], count)
        except TimeoutError:
            raise HttpError("It did not happen in time.", 408) from None
        except (KeyError, ValueError):
            raise HttpError(f"Give a key, an event of {EVENTS}, perhaps a timeout and a count.") from None
        await response.json({"at": at, "event": query["event"], "key": query["key"]})


async def _cancel_at_end(reader: asyncio.StreamReader, answering: asyncio.Task[None]) -> None:
    """A client that has sent its request sends no more, so that there is nothing to be read but its end."""
    with suppress(ConnectionError):
        await reader.read()
    answering.cancel()


def _key(prompt: str) -> str:
    """The name in the statistics of a last user message, given with or without its directives."""
    return plain(prompt).strip()
