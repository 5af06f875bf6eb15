"""What a model's chunks say: reasoning and text in order, how the answer ended, what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from langchain_core.messages import AIMessage

_OPEN, _CLOSE = "<think>", "</think>"


class Kind(StrEnum):
    """What a piece belongs to."""

    PLAN = "plan"
    REASONING = "reasoning"
    TEXT = "text"


Piece = tuple[Kind, str]


class ChunkReader:
    """Reads one answer. `finish_reason` stays None when the model never said that it was done."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.usage: dict[str, int] | None = None
        self._thought = ThinkTagParser()
        self._surrogate = ""

    def pieces(self, chunks: Iterable[AIMessage]) -> Iterator[Piece | None]:
        """The pieces of the answer as they come; None for a chunk that carries no text but shows life."""
        for chunk in chunks:
            self.finish_reason = chunk.response_metadata.get("finish_reason") or self.finish_reason
            if chunk.usage_metadata:
                self.usage = _usage(chunk.usage_metadata)
            reasoning = chunk.additional_kwargs.get("reasoning_content")
            if reasoning:
                yield Kind.REASONING, self._clean(reasoning)
            content = chunk.content if isinstance(chunk.content, str) else str(chunk.text)
            yield from self._thought.split(self._clean(content))
            yield None
        yield from self._thought.split(self._clean("", ended=True))
        yield from self._thought.rest()

    def _clean(self, text: str, *, ended: bool = False) -> str:
        """Text that UTF-8 can carry: a surrogate pair cut in two is joined, a lone half replaced."""
        if not self._surrogate and text.isascii():
            return text
        text = self._surrogate + text
        self._surrogate = text[-1] if "\ud800" <= text[-1:] <= "\udbff" and not ended else ""
        whole = text[:-1] if self._surrogate else text
        return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class ThinkTagParser:
    """Takes `<think>...</think>` out of an answer, its tags cut in any way.

    Only where an answer begins: later on, a tag is something that the text talks about.
    """

    def __init__(self) -> None:
        self._kind: Kind | None = None
        self._fresh = False
        self._held = ""

    def split(self, text: str) -> Iterator[Piece]:
        """The pieces that are certain by now; what might be half a tag is held back."""
        self._held += text
        if self._kind is None:
            self._look_for_opening()
        if self._kind is Kind.REASONING:
            thought, tag, after = self._held.partition(_CLOSE)
            certain = len(thought) - (0 if tag else _half_tag(thought, _CLOSE))
            self._held = after if tag else thought[certain:]
            yield from self._piece(Kind.REASONING, thought[:certain])
            if tag:
                self._kind, self._fresh = Kind.TEXT, True
        if self._kind is Kind.TEXT:
            text, self._held = self._held, ""
            yield from self._piece(Kind.TEXT, text)

    def rest(self) -> Iterator[Piece]:
        """What is still held back when the answer ends."""
        yield from self._piece(self._kind or Kind.TEXT, self._held)

    def _look_for_opening(self) -> None:
        begin = self._held.lstrip()
        if begin.startswith(_OPEN):
            self._kind, self._fresh, self._held = Kind.REASONING, True, begin.removeprefix(_OPEN)
        elif not _OPEN.startswith(begin):
            self._kind = Kind.TEXT

    def _piece(self, kind: Kind, text: str) -> Iterator[Piece]:
        # The line ends around the tags belong to them.
        text = text.lstrip() if self._fresh else text
        if text:
            self._fresh = False
            yield kind, text


def _half_tag(text: str, tag: str) -> int:
    """How many characters at the end of `text` could begin `tag`."""
    return next((size for size in range(len(tag) - 1, 0, -1) if text.endswith(tag[:size])), 0)


def _usage(metadata: Any) -> dict[str, int]:
    details, reasoned = metadata.get("input_token_details") or {}, metadata.get("output_token_details") or {}
    return {
        "input_tokens": metadata["input_tokens"],
        "cached_tokens": details.get("cache_read") or 0,
        "output_tokens": metadata["output_tokens"],
        "reasoning_tokens": reasoned.get("reasoning") or 0,
    }
