"""Sends an answer, as a stream or in one piece, with the pace and the faults of its script."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from typing import Any

from demo_model.chat_request import ChatRequest, Script
from demo_model.http_connection import HttpError, HttpResponse, encode
from demo_model.passages import split_tokens
from demo_model.request_statistics import RequestStatistics
from demo_model.text_generator import generate_json, generate_text, read_brief, reason
from demo_model.tool_calls import calls_of, joined

_SCHEMA = re.compile(r"JSON schema:\n(\{.+\})")
KEEPALIVE_SECONDS = 0.1
# A reset discards what the client has not read yet: give it the time to.
DROP_SECONDS = 0.1
WEB_PAGE = b"<!doctype html><html><body><h1>Welcome</h1><p>This is a web page, not a model.</p></body></html>"
# The code and the words that OpenAI has for a status.
STATUSES = {
    401: ("invalid_api_key", "Incorrect API key provided: demo."),
    404: ("model_not_found", "The model `demo` does not exist."),
    429: ("rate_limit_exceeded", "Rate limit reached for `demo`. Please try again later."),
    500: (None, "The server had an error while processing your request. Sorry about that!"),
}
# After any other ending there is no finish_reason, because a fault comes instead.
FINISHES = {"": "stop", "filter": "content_filter"}
DONE = b"data: [DONE]"
HALF_AN_OBJECT = b'{"id":"chatcmpl-0","choices":[{"index":0,"delta":{"content":"'
# What a fault leaves on the stream; the others leave nothing.
LAST_LINES = {
    "done": DONE,
    "error": b'data: {"error":{"message":"the model ran out of memory","type":"server_error","code":500}}',
    "badjson": b"data: " + HALF_AN_OBJECT,
}


class Completion:
    """One answer to one request. Its tokens are (field of the message, text); the statistics count them."""

    def __init__(
        self, request: ChatRequest, script: Script, response: HttpResponse, statistics: RequestStatistics
    ) -> None:
        self._request = request
        self._script = script
        self._response = response
        self._statistics = statistics
        fields = request.fields
        self._name = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": fields["model"]}
        self._streams = bool(fields.get("stream")) and not script.nostream
        self._options = fields.get("stream_options") or {}
        self._shows_usage = not script.nousage and (not self._streams or bool(self._options.get("include_usage")))
        reasoning_tokens, text_tokens = _tokens_of(request, script)
        tagged = bool(reasoning_tokens) and script.field == "tag"
        before = ["<th", "ink>", *reasoning_tokens, "</thi", "nk>"] if tagged else reasoning_tokens
        tokens: list[tuple[str, Any]] = [("content" if tagged else script.field, text) for text in before]
        calls = calls_of(request, script)
        answer: list[tuple[str, Any]] = [*calls] or [("content", text) for text in text_tokens]
        tokens += answer[: script.after]
        self._tokens = tokens[: fields.get("max_completion_tokens") or fields.get("max_tokens")]
        self._thought = min(len(reasoning_tokens), len(self._tokens))
        finish = "tool_calls" if calls and not script.ending else FINISHES.get(script.ending)
        self._finish = finish if len(self._tokens) == len(tokens) else "length"

    async def send(self) -> bool:
        """Answer the request; False or HttpError if the script broke the answer."""
        script, response = self._script, self._response
        await asyncio.sleep(script.headers)
        if status := script.status:
            wait = {} if script.retry_after is None else {"Retry-After": f"{script.retry_after:g}"}
            code, message = STATUSES.get(status, (None, f"The script asked for a {status}."))
            raise HttpError(message, status, code, **wait)
        if len(self._request.texts) > script.context:
            words = f"This model's maximum context length is {script.context} messages."
            raise HttpError(words, 400, "context_length_exceeded")
        response_format = self._request.fields.get("response_format") or {}
        if response_format and script.refuses in ("response_format", response_format["type"]):
            raise HttpError(f"'{script.refuses}' is not supported by this model.")
        if script.nooptions and self._options:
            raise HttpError("Unrecognized request argument supplied: stream_options")
        if script.html:
            await response.whole(WEB_PAGE, "text/html; charset=utf-8")
            return False
        if self._streams:
            await response.begin(chunked=script.ending != "fin", single_bytes=script.bytes)
            self._statistics.note("headers")
        await asyncio.sleep(script.first)
        await self._send_tokens()
        await (self._end() if self._finish else self._break())
        return self._finish is not None

    async def _send_tokens(self) -> None:
        await self._delta({"role": "assistant", "content": ""})
        begun = time.monotonic()
        pause = 1 / self._script.rate if self._script.rate else 0.0
        for number, (field, text) in enumerate(self._tokens):
            # Without a pace, too: the other requests want their turn.
            await asyncio.sleep(begun + number * pause - time.monotonic())
            await self._delta({field: text})
            self._statistics.tokens += 1
            if number == 0:
                self._statistics.note("first_token")

    async def _end(self) -> None:
        prompt_tokens, completion_tokens = 1 + sum(map(len, self._request.texts)) // 4, len(self._tokens)
        usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": self._thought},
        }
        if self._streams:
            await self._delta({}, self._finish)
            if self._shows_usage:
                await self._event([], usage)
            await self._response.end(DONE)
        else:
            message: dict[str, Any] = {"role": "assistant", "content": ""}
            for field, value in self._tokens:
                message[field] = joined(message.get(field), value)
            choice = {"index": 0, "message": message, "finish_reason": self._finish}
            await self._response.json(self._object("chat.completion", [choice], usage))

    async def _break(self) -> None:
        """What comes instead of the rest of a stream, or instead of the whole answer."""
        match self._script.ending:
            case "stall" | "keepalive" as ending:
                self._statistics.note("stalled")
                while True:
                    await asyncio.sleep(KEEPALIVE_SECONDS)
                    if ending == "keepalive" and self._streams:
                        await self._response.line(b": keepalive")
            case "drop":
                await asyncio.sleep(DROP_SECONDS)
                self._response.reset()
            case ending if self._streams:
                await self._response.end(LAST_LINES.get(ending, b""))
            case _:
                await self._response.whole(HALF_AN_OBJECT, "application/json")

    async def _delta(self, delta: dict[str, Any], finish: str | None = None) -> None:
        if self._streams:
            await self._event([{"index": 0, "delta": delta, "finish_reason": finish}])

    async def _event(self, choices: list[Any], usage: dict[str, Any] | None = None) -> None:
        await self._response.line(b"data: " + encode(self._object("chat.completion.chunk", choices, usage)))

    def _object(self, kind: str, choices: list[Any], usage: dict[str, Any] | None) -> dict[str, Any]:
        shown = {"usage": usage} if self._shows_usage else {}
        return {**self._name, "object": kind, "choices": choices, **shown}


def _tokens_of(request: ChatRequest, script: Script) -> tuple[list[str], list[str]]:
    """Tokens of reasoning and of text, which depend on the messages, `tokens` and `seed`, not on pace and faults."""
    salt = secrets.token_hex() if script.seed == "random" else script.seed
    seed = ascii([salt, *request.texts])
    brief = read_brief(request.prompt, request.texts)
    reasoning = split_tokens(reason(brief, seed, script.think))[: script.think]
    if script.echo:
        return reasoning, list(request.prompt)
    response_format = request.fields.get("response_format") or {}
    if schema := next((match[1] for text in request.texts if (match := _SCHEMA.search(text))), None):
        response_format = {"type": "json_schema", "json_schema": {"schema": json.loads(schema)}}
    if response_format.get("type", "text") != "text" and script.tokens is None:
        return reasoning, split_tokens(generate_json(brief, seed, response_format))
    return reasoning, split_tokens(generate_text(brief, seed, script.tokens))[: script.tokens]
