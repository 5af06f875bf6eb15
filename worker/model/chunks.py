"""What a model's chunks say: reasoning and text in order, how the answer ended, what it cost."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

from worker.model.answer.finish_reason import End, end_of, settled
from worker.model.answer.message_content import contents_of
from worker.model.answer.model_chunk import ModelChunk
from worker.model.answer.think_tags import Kind, ThinkTagParser
from worker.model.answer.tool_calls import ToolCall, ToolCallReader
from worker.model.cancellation import Stopped
from worker.model.errors import ENDED_EARLY, ModelError

__all__ = ["ChunkReader", "Kind", "Piece", "Slot", "ToolCall"]

# What a piece of an answer belongs to, and the piece.
Slot = Kind | ToolCall
Piece = tuple[Slot, str]


class ChunkReader:
    """Reads one answer. `end` and `finish_reason` stay None when the model never said that it was done.

    `has_text` is whether there was an answer, `has_reasoning` whether there was any reasoning; `refusal` are
    the words of a refusal. Calls of tools are read where the model was offered any. An answer that goes on behind
    `most_characters`, 0 for any number, ends there as one that the model cut.
    """

    def __init__(self, most_characters: int = 0, *, offers_tools: bool = False) -> None:
        self._most = most_characters or sys.maxsize
        self._characters = 0
        self.finish_reason: str | None = None
        self.end: End | None = None
        self.usage: dict[str, int] | None = None
        self.has_text = False
        self.has_reasoning = False
        self.refusal = ""
        self._calls = ToolCallReader() if offers_tools else None
        self._answer = ThinkTagParser()
        self._reasoning = ThinkTagParser(Kind.REASONING)
        self._surrogate = ""

    def pieces(self, chunks: Iterable[ModelChunk | AIMessage]) -> Iterator[Piece | None]:
        """The pieces of the answer as they come; None for a chunk that carries no text but shows life.

        What goes wrong after a good end is no fault: the answer was whole. Raises what `chunks` raises.
        """
        try:
            for chunk in chunks:
                self._note(chunk)
                for piece in self._pieces_of(chunk):
                    self._note_text(piece)
                    yield piece
                yield None
                if self._characters >= self._most and self.end is None:
                    self.end, self.finish_reason = End.LENGTH, "length"
                    return
        except Stopped:
            raise
        except Exception:
            if self.end in (None, End.FAULT):
                raise
        for piece in self._rest():
            self._note_text(piece)
            yield piece

    @property
    def has_calls(self) -> bool:
        """Whether the model asked for calls of tools that it was offered."""
        return self._calls is not None and not self._calls.is_empty

    def check_end(self) -> None:
        """Raises ModelError when the answer has no end that can be believed."""
        if self.end is None:  # invariant 6
            raise ModelError(ENDED_EARLY)
        if self.end is End.FAULT:
            raise ModelError(f"The model server broke the answer off: {self.finish_reason!s:.200}")

    def _note(self, chunk: ModelChunk | AIMessage) -> None:
        """What a chunk says of the answer's end and of its price."""
        if chunk.usage_metadata:
            self.usage = _usage(chunk.usage_metadata)
        reason = chunk.response_metadata.get("finish_reason")
        if reason and (end := settled(self.end, end_of(reason))) is not self.end:
            self.end = end
            self.finish_reason = str(reason).encode("utf-8", "replace").decode()

    def _note_text(self, piece: Piece) -> None:
        kind, text = piece
        self._characters += len(text)
        if kind is Kind.RETRACTION:
            self.has_text, self.has_reasoning = False, True
        elif kind is Kind.REASONING:
            self.has_reasoning = True
        elif kind is Kind.REFUSAL:
            self.refusal += text
        elif kind is not Kind.TEXT:
            return
        elif not self.has_text and text.strip():
            self.has_text = True

    def _pieces_of(self, chunk: ModelChunk | AIMessage) -> Iterator[Piece]:
        content = chunk.content
        extras = chunk.additional_kwargs
        if type(content) is str:
            text, reasoning, refusal = content, "", ""
        else:
            text, reasoning, refusal = contents_of(content)
        if extras:
            reasoning += _text_in(extras.get("reasoning_content"))
            refusal += _text_in(extras.get("refusal"))
        if reasoning:
            yield from self._reasoning.split(self._clean(reasoning))
        yield from self._answer.split(self._clean(text))
        if refusal:
            yield Kind.REFUSAL, self._clean(refusal)
        if self._calls is not None and isinstance(chunk, ModelChunk | AIMessageChunk):
            yield from self._calls.read(chunk.tool_call_chunks)

    def _rest(self) -> Iterator[Piece]:
        yield from self._reasoning.rest()
        yield from self._answer.split(self._clean("", ended=True))
        yield from self._answer.rest()

    def _clean(self, text: str, *, ended: bool = False) -> str:
        """Text that UTF-8 can carry: a surrogate pair cut in two is joined, a lone half replaced."""
        if not self._surrogate and text.isascii():
            return text
        text = self._surrogate + text
        self._surrogate = text[-1] if "\ud800" <= text[-1:] <= "\udbff" and not ended else ""
        whole = text[:-1] if self._surrogate else text
        return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _text_in(value: Any) -> str:
    """The text in a field of a message that may be another library's."""
    return value if isinstance(value, str) else "".join(contents_of(value))


def _usage(metadata: Any) -> dict[str, int]:
    inputs = metadata.get("input_token_details") or {}
    outputs = metadata.get("output_token_details") or {}
    return {
        "input_tokens": metadata.get("input_tokens") or 0,
        "cached_tokens": inputs.get("cache_read") or 0,
        "output_tokens": metadata.get("output_tokens") or 0,
        "reasoning_tokens": outputs.get("reasoning") or 0,
    }
