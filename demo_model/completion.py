"""Gives an answer over the wire, as a stream or in one piece, with the pace and the faults of its script."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any, NoReturn

from demo_model.answer import Answer, prepare
from demo_model.ask import Ask
from demo_model.ledger import Prompt
from demo_model.refusal import Refused, envelope, scripted
from demo_model.script import Script
from demo_model.wire import Reply, encode

KEEPALIVE_SECONDS = 0.1
# A reset discards what the client has not read yet: give it the time to.
DROP_SECONDS = 0.1
BREAKDOWN = "the model ran out of memory"
WEB_PAGE = b"<!doctype html><html><body><h1>Welcome</h1><p>This is a web page, not a model.</p></body></html>"
CUT_CHUNK = b'data: {"id":"chatcmpl-0","choices":[{"index":0,"delta":{"content":"'


class Completion:
    """One answer to one request; `prompt` counts its tokens, `note` takes the names of its events."""

    def __init__(self, ask: Ask, script: Script, reply: Reply, prompt: Prompt, note: Callable[[str], object]) -> None:
        self._ask, self._script, self._reply, self._prompt, self._note = ask, script, reply, prompt, note
        self._id, self._created = f"chatcmpl-{os.urandom(12).hex()}", int(time.time())
        self._shows_usage = ask.include_usage and not script.nousage

    async def give(self) -> bool:
        """Answer the request; False or Refused if the script broke the answer."""
        script = self._script
        await asyncio.sleep(script.headers)
        if script.status:
            raise scripted(script.status, self._ask.model, script.retry_after)
        if script.nooptions and self._ask.has_stream_options:
            raise Refused("Unrecognized request argument supplied: stream_options", param="stream_options")
        if script.html:
            await self._reply.whole(WEB_PAGE, "text/html; charset=utf-8")
            return False
        answer = prepare(self._ask, script)
        await (self._stream(answer) if self._ask.stream and not script.nostream else self._whole(answer))
        return answer.reason is not None

    async def _stream(self, answer: Answer) -> None:
        await self._reply.begin(chunked=self._script.ending != "fin", single_bytes=self._script.bytes)
        self._note("headers")
        await asyncio.sleep(self._script.first_delay)
        await self._chunk({"role": "assistant", "content": ""})
        await self._tokens(answer)
        if answer.reason is None:
            await self._break()
        else:
            await self._chunk({}, answer.reason)
            if self._shows_usage:
                await self._event(self._object("chat.completion.chunk", [], usage=self._usage(answer)))
            await self._reply.line(b"data: [DONE]")
        await self._reply.end()

    async def _tokens(self, answer: Answer) -> None:
        begun = time.monotonic()
        for number, (field, text) in enumerate(answer.tokens):
            ahead = begun + number / self._script.rate - time.monotonic() if self._script.rate else 0
            if ahead > 0:
                await self._reply.flush()
                await asyncio.sleep(ahead)
            await self._chunk({field: text})
            self._prompt.tokens += 1
            if number == 0:
                await self._reply.flush()
                self._note("first_token")
        await self._reply.flush()

    async def _break(self) -> None:
        match self._script.ending:
            case "stall":
                await self._silence()
            case "keepalive":
                await self._silence(b": keepalive")
            case "drop":
                await asyncio.sleep(DROP_SECONDS)
                self._reply.reset()
            case "done":
                await self._reply.line(b"data: [DONE]")
            case "error":
                await self._event(envelope(500, BREAKDOWN, 500))
            case "badjson":
                await self._reply.line(CUT_CHUNK)

    async def _whole(self, answer: Answer) -> None:
        fault = self._script.ending if answer.reason is None else None
        if fault in {"stall", "keepalive"}:
            await self._silence()
        pace = len(answer.tokens) / self._script.rate if self._script.rate else 0
        await asyncio.sleep(self._script.first_delay + pace)
        if fault == "error":
            raise Refused(BREAKDOWN, status=500)
        if fault == "drop":
            self._reply.reset()
            return
        choice = {"index": 0, "message": answer.message(), "finish_reason": answer.reason}
        usage = {} if self._script.nousage else {"usage": self._usage(answer)}
        body = encode(self._object("chat.completion", [choice], **usage))
        await self._reply.whole(body[: len(body) // 2] if fault else body, "application/json")
        self._note("headers")
        self._prompt.tokens += len(answer.tokens)

    async def _silence(self, comment: bytes = b"") -> NoReturn:
        """Say no more, or nothing but a comment again and again, until the client goes."""
        self._note("stalled")
        while True:
            if comment:
                await self._reply.line(comment)
                await self._reply.flush()
            await asyncio.sleep(KEEPALIVE_SECONDS)

    async def _chunk(self, delta: dict[str, str], reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        usage = {"usage": None} if self._shows_usage else {}
        await self._event(self._object("chat.completion.chunk", [choice], **usage))

    async def _event(self, value: dict[str, Any]) -> None:
        await self._reply.line(b"data: " + encode(value))

    def _object(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        name = {"id": self._id, "object": kind, "created": self._created, "model": self._ask.model}
        return {**name, "choices": choices, **more}

    def _usage(self, answer: Answer) -> dict[str, Any]:
        prompt, said = self._ask.prompt_tokens, len(answer.tokens)
        counts = {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}
        details = {"completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens}}
        return {**counts, **details, "prompt_tokens_details": {"cached_tokens": 0}}
