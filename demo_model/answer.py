"""What the model says to a request, decided before the first byte is sent."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from demo_model.ask import Ask
from demo_model.brief import read_brief
from demo_model.composition import compose, reason
from demo_model.phrasebook import split_tokens
from demo_model.script import Script
from demo_model.structured import compose_json


@dataclass(frozen=True)
class Answer:
    """Tokens are (field of the delta, text); `reason` is the finish_reason, None if a fault comes instead."""

    tokens: list[tuple[str, str]]
    reason: str | None
    reasoning_tokens: int

    def message(self) -> dict[str, str]:
        """The whole answer as one message."""
        names = dict.fromkeys(["content", *(name for name, _ in self.tokens)])
        texts = {name: "".join(text for field, text in self.tokens if field == name) for name in names}
        return {"role": "assistant", **texts}


def prepare(ask: Ask, script: Script) -> Answer:
    """The answer; its text depends on the messages, `tokens` and `seed`, but not on pace and faults."""
    salt = os.urandom(16).hex() if script.seed == "random" else script.seed
    seed = hashlib.sha256("\0".join([salt, *ask.texts]).encode("utf-8", "replace")).hexdigest()
    brief = read_brief(ask.prompt, ask.texts)
    if script.echo:
        said = list(ask.prompt)
    elif ask.response_format.get("type", "text") != "text":
        said = split_tokens(compose_json(brief, seed, ask.response_format, ask.prompt))
    else:
        said = split_tokens(compose(brief, seed, script.tokens))[: script.tokens]
    thought = split_tokens(reason(brief, seed, script.think))[: script.think]
    tags = bool(thought) and script.field == "tag"
    before = ["<th", "ink>", *thought, "</thi", "nk>"] if tags else thought
    tokens = [("content" if tags else script.field, text) for text in before]
    tokens += [("content", text) for text in (said[: script.after] if script.ending else said)]
    if ask.max_tokens is not None and len(tokens) > ask.max_tokens:
        return Answer(tokens[: ask.max_tokens], "length", min(len(thought), ask.max_tokens))
    finish = {None: "stop", "filter": "content_filter"}.get(script.ending)
    return Answer(tokens, finish, len(thought))
