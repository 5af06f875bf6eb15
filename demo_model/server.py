"""The routes of the demo model's server, and its start."""

from __future__ import annotations

import asyncio
import functools
import signal
import socket
from collections.abc import Callable

from demo_model.ask import key_of, read_ask
from demo_model.completion import Completion
from demo_model.ledger import EVENTS, Ledger, Prompt
from demo_model.refusal import Refused
from demo_model.wire import Connection, Reply, Request, read_request

BACKLOG = 1024
MODELS = {"object": "list", "data": [{"id": "demo", "object": "model", "created": 0, "owned_by": "penstock"}]}


class Server:
    """Answers requests; holds nothing but the ledger."""

    def __init__(self) -> None:
        self._ledger = Ledger()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client's requests, one after the other; cancelled when the client goes."""
        try:
            while True:
                reply, request = Reply(writer), None
                try:
                    request = await read_request(reader)
                    await self._route(request, reply)
                except Refused as refused:
                    await reply.json(refused.body, refused.status, **refused.headers)
                if reply.last or not request or request.headers.get("connection", "").lower() == "close":
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The client is gone. If it had asked for an answer, the ledger knows.
        finally:
            writer.close()

    async def _route(self, request: Request, reply: Reply) -> None:
        match request.route:
            case "POST /chat/completions":
                await self._chat(request.body, reply)
            case "GET /models":
                await reply.json(MODELS)
            case "GET /healthz":
                await reply.json({"ok": True})
            case "GET /stats" if "key" in request.query:
                await reply.json(self._ledger.prompts.get(key_of(request.query["key"]), Prompt()).view())
            case "GET /stats":
                await reply.json(self._ledger.view())
            case "GET /stats/wait":
                await self._wait(request.query, reply)
            case "POST /stats/reset":
                self._ledger = Ledger()
                await reply.json({"ok": True})
            case unknown:
                raise Refused(f"Unknown URL: {unknown}.", status=404, code="unknown_url")

    async def _chat(self, body: bytes, reply: Reply) -> None:
        ask = read_ask(body)
        # A request keeps its ledger: after a reset its end must not count among the new requests.
        note = functools.partial(self._ledger.note, key_of(ask.prompt))
        prompt = note("request")
        script = ask.script.on_request(len(prompt.times["request"]))
        end = "failed"
        try:
            if await Completion(ask, script, reply, prompt, note).give():
                end = "finished"
        except (asyncio.CancelledError, ConnectionError):
            end = "closed_by_client"
            raise
        finally:
            note(end)

    async def _wait(self, query: dict[str, str], reply: Reply) -> None:
        """Answer when the event has happened `count` times for the key; 408 after `timeout` seconds."""
        try:
            key, event = key_of(query["key"]), EVENTS[EVENTS.index(query["event"])]
            count, timeout = int(query.get("count", 1)), float(query.get("timeout", 10))
        except (KeyError, ValueError):
            raise Refused(f"Give a key, an event of {EVENTS}, perhaps a timeout and a count.") from None
        try:
            await reply.json(await asyncio.wait_for(self._ledger.wait(key, event, count), timeout))
        except TimeoutError:
            raise Refused(f"Not within {timeout:g} s.", status=408) from None


async def run(sock: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve on a bound socket until SIGTERM or SIGINT; `announce` gets the base URL when it listens."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = Server()
    await loop.create_server(lambda: Connection(server.serve), sock=sock, backlog=BACKLOG)
    host, port = sock.getsockname()
    announce(f"http://{host}:{port}/v1")
    await stopped.wait()
