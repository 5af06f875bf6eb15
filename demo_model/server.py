"""The routes of the demo model's server."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import closing, suppress

from demo_model.ask import plain, read_ask
from demo_model.completion import Completion
from demo_model.ledger import EVENTS, Ledger
from demo_model.wire import Refused, Reply, read_request

MODELS = {"object": "list", "data": [{"id": "demo", "object": "model", "created": 0, "owned_by": "penstock"}]}


class Server:
    """Answers requests; holds nothing but a ledger for each prompt."""

    def __init__(self) -> None:
        self._ledgers: defaultdict[str, Ledger] = defaultdict(Ledger)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a client's one request; stop at the moment when the client goes."""
        reply = Reply(writer)
        # Suppressed: the client has gone, or the server is to end. If there was a request, its ledger knows.
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            try:
                answering = asyncio.create_task(self._route(reply, *await read_request(reader)))
                watching = asyncio.create_task(_cancel_at_end(reader, answering))
                try:
                    await answering
                finally:
                    watching.cancel()
            except Refused as refused:
                await reply.json(refused.body, refused.status, **refused.headers)

    async def _route(self, reply: Reply, route: str, query: dict[str, str], body: bytes) -> None:
        match route:
            case "POST /chat/completions":
                await self._chat(body, reply)
            case "GET /models":
                await reply.json(MODELS)
            case "GET /healthz":
                await reply.json({"ok": True})
            case "GET /stats" if "key" in query:
                await reply.json(self._ledgers.get(_key(query["key"]), Ledger()).view())
            case "GET /stats":
                await reply.json({"prompts": {key: ledger.view() for key, ledger in self._ledgers.items()}})
            case "GET /stats/wait":
                await self._wait(query, reply)
            case "POST /stats/reset":
                self._ledgers.clear()
                await reply.json({"ok": True})
            case unknown:
                raise Refused(f"Unknown URL: {unknown}.", 404, "unknown_url")

    async def _chat(self, body: bytes, reply: Reply) -> None:
        ask = read_ask(body)
        # A request keeps its ledger: after a reset its end must not count among the new requests.
        ledger = self._ledgers[_key(ask.prompt)]
        script = ask.script.on_request(ledger.note("request"))
        end = "closed_by_client"
        try:
            end = "finished" if await Completion(ask, script, reply, ledger).give() else "failed"
        except Refused:
            end = "failed"
            raise
        finally:
            ledger.note(end)

    async def _wait(self, query: dict[str, str], reply: Reply) -> None:
        """Answer when the event has happened `count` times for the key; 408 after `timeout` seconds."""
        try:
            async with asyncio.timeout(float(query.get("timeout", 10))):
                ledger, count = self._ledgers[_key(query["key"])], int(query.get("count", 1))
                at = await ledger.wait(query["event"], count)
        except TimeoutError:
            raise Refused("It did not happen in time.", 408) from None
        except (KeyError, ValueError):
            raise Refused(f"Give a key, an event of {EVENTS}, perhaps a timeout and a count.") from None
        await reply.json({"at": at, "event": query["event"], "key": query["key"]})


async def _cancel_at_end(reader: asyncio.StreamReader, answering: asyncio.Task[None]) -> None:
    """A client that has sent its request sends no more, so that there is nothing to be read but its end."""
    with suppress(ConnectionError):
        await reader.read()
    answering.cancel()


def _key(prompt: str) -> str:
    """The name in the statistics of a last user message, given with or without its directives."""
    return plain(prompt).strip()
