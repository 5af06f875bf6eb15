"""The directives that pace an answer and break it: `demo+rate=0+tokens=50` or `[[demo rate=0 stall=5]]`.

They stand in the model's name, or in any message in a block that is taken out of its text; the block wins.
N counts tokens of text (not of reasoning), S is in seconds.

- Pace: `rate=` tokens a second (0: as fast as can be), `first=S` until the first token, `headers=S`.
- Text: `tokens=N` exactly; `seed=` another one (`random`: each time); `echo` the last user message, one
  character a chunk; `think=` tokens of reasoning before it, in `field=` `reasoning_content`, `reasoning` or
  `tag` (`<think>` in the text, cut across chunks).
- Wire: `bytes` puts every byte of the stream into an HTTP chunk and a write of its own.
- After N tokens: `stall=N` silence, `keepalive=N` only comments, `drop=N` TCP reset, `error=N` error object,
  `badjson=N` malformed line, `filter=N` finish_reason content_filter; or just the end: by closing a body
  without length (`fin=N`), by the last HTTP chunk (`nodone=N`), by `[DONE]` without finish_reason (`done=N`).
- Instead of an answer: `status=CODE` HTTP error, `retry_after=S` its header, `html` a web page.
- Habits: `nostream` answers JSON to a stream, `nousage` sends no usage, `nooptions` refuses `stream_options`.
- `fails=N`: only for the first N requests with the same last user message; then only rate and text remain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from demo_model.refusal import Refused

ENDINGS = ("stall", "keepalive", "drop", "error", "badjson", "filter", "fin", "nodone", "done")
LASTING = ("rate", "tokens", "seed", "echo", "think", "field", "bytes")

_BLOCK = re.compile(r"\[\[demo(?:\s+([^\]]*))?\]\]")
_VALUES: dict[str, tuple[str, Callable[[str], object]]] = {
    "float": (r"\d{1,6}(\.\d+)?", float),
    "int": (r"\d{1,6}", int),
    "bool": ("[01]?", lambda value: value != "0"),
    "str": (".+", str),
    "field": ("reasoning_content|reasoning|tag", str),
    "status": (r"[45]\d\d", int),
}


@dataclass(frozen=True)
class Script:
    """How one answer is to be given; `ending` is one of ENDINGS and comes `after` so many tokens of text."""

    rate: float = 40.0
    first: float | None = None
    headers: float = 0.0
    tokens: int | None = None
    seed: str = ""
    echo: bool = False
    think: int = 0
    field: str = "reasoning_content"
    bytes: bool = False
    ending: str | None = None
    after: int = 0
    status: int | None = None
    retry_after: float | None = None
    html: bool = False
    nostream: bool = False
    nousage: bool = False
    nooptions: bool = False
    fails: int | None = None

    @property
    def first_delay(self) -> float:
        """Seconds until the first token: unless said otherwise a moment, or none where there is no pace."""
        return self.first if self.first is not None else 0.3 if self.rate else 0.0

    def on_request(self, number: int) -> Script:
        """The script for the request of that number, from 1: itself, or without its faults after `fails`."""
        if self.fails is None or number <= self.fails:
            return self
        return Script(**{name: getattr(self, name) for name in LASTING})


# A directive's kind is that of its field in Script; the ending's field holds the name of one of several.
_KINDS = {it.name: str(it.type).removesuffix(" | None") for it in fields(Script)}
_KINDS |= dict.fromkeys(ENDINGS, "int")
del _KINDS["ending"], _KINDS["after"]


def take_directives(text: str) -> tuple[str, list[str]]:
    """A message's text without its directive blocks, and the directives that they held."""
    return _BLOCK.sub("", text), [word for block in _BLOCK.findall(text) for word in block.split()]


def read_script(directives: Iterable[str]) -> Script:
    """The script that the directives spell, later ones winning; Refused names the first that is wrong."""
    values: dict[str, Any] = {}
    for directive in directives:
        name, _, value = directive.partition("=")
        if name not in _KINDS:
            raise Refused(f"Unknown demo directive '{name}'. Known: {', '.join(_KINDS)}.", param="model")
        pattern, convert = _VALUES.get(name) or _VALUES[_KINDS[name]]
        if not re.fullmatch(pattern, value):
            raise Refused(f"The demo directive '{directive}' has a bad value.", param="model")
        values |= {"ending": name, "after": int(value)} if name in ENDINGS else {name: convert(value)}
    return Script(**values)
