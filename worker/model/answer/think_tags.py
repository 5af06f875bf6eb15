"""Reasoning that a model writes into its answer, told apart from the answer by the tags around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum


class Kind(StrEnum):
    """What a piece belongs to. A RETRACTION has no text: the answer so far was reasoning, and begins now."""

    PLAN = "plan"
    REASONING = "reasoning"
    TEXT = "text"
    REFUSAL = "refusal"
    RETRACTION = "retraction"


Piece = tuple[Kind, str]

_TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<thoughts>": "</thoughts>",
    "<seed:think>": "</seed:think>",
    "[think]": "[/think]",
    "\u25c1think\u25b7": "\u25c1/think\u25b7",
    "<|begin_of_thought|>": "<|end_of_thought|>",
}
_ALL_TAGS = (*_TAGS, *_TAGS.values())
_LONGEST = max(map(len, _ALL_TAGS))
# So much white space is no place where a tag is still to come.
_LONGEST_BLANK = 4096
_CLOSING = re.compile("|".join(map(re.escape, _TAGS.values())), re.IGNORECASE)
_CLOSINGS = re.compile(rf"(?:(?:{_CLOSING.pattern})\s*)+", re.IGNORECASE)
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019", "\u300c": "\u300d"}
# What decides whether a place in Markdown is code: line ends, fences, backticks; and tags opened in prose.
_MARKS = re.compile(r"\n[ \t]*(?:```|~~~)?|`+|" + "|".join(map(re.escape, _TAGS)), re.IGNORECASE)


class ThinkTagParser:
    """Takes `<think>...</think>` and its like out of an answer, its tags cut in any way.

    An opening tag counts only where the answer begins. A closing one without it, outside of code, says that all before
    it was reasoning: some templates open the thought in the prompt. After either, a tag is what the text talks about.
    """

    def __init__(self, default: Kind = Kind.TEXT) -> None:
        """`default` is what text is that no tag says anything of: REASONING for a field of its own."""
        self._default = default
        self._kind: Kind | None = None
        self._closing = _CLOSING
        self._held = ""
        self._last = ""  # the last character handed out as reasoning
        self._fresh = False  # just behind a tag
        self._has_text = False
        self._settled = False  # no tag counts any more
        self._code = _CodeState()

    def split(self, text: str) -> Iterator[Piece]:
        """The pieces that are certain by now; what might be half a tag is held back."""
        plain = self._kind is Kind.TEXT and not (self._held or self._fresh)
        if plain and (self._settled or not _may_hold_tag(text)):
            if text:
                self._has_text = True
                if not self._settled:
                    self._code.add(text)
                yield Kind.TEXT, text
            return
        self._held += text
        yield from self._certain(ended=False)

    def rest(self) -> Iterator[Piece]:
        """What is still held back when the answer ends."""
        self._kind = self._kind or self._default
        yield from self._certain(ended=True)

    def _certain(self, *, ended: bool) -> Iterator[Piece]:
        before: Kind | None | str = ""
        while self._kind is not before:
            before = self._kind
            if before is None:
                self._find_opening()
            elif before is Kind.REASONING:
                yield from self._reasoning(ended=ended)
            else:
                yield from self._text(ended=ended)
        if ended and self._kind is None and self._held.strip():
            yield from self._piece(self._default, self._held)

    def _find_opening(self) -> None:
        begin = self._held.lstrip()
        if self._settled and (repeated := _CLOSINGS.match(begin)):  # a thought that is closed twice
            begin = self._held = begin[repeated.end() :]
        lowered = begin[:_LONGEST].lower()
        if tag := next((tag for tag in _TAGS if lowered.startswith(tag)), None):
            self._kind, self._fresh, self._held = Kind.REASONING, True, begin[len(tag) :]
            self._closing = re.compile(re.escape(_TAGS[tag]), re.IGNORECASE)
            return
        possible = _ALL_TAGS if self._settled else _TAGS
        if len(self._held) > _LONGEST_BLANK or not any(tag.startswith(lowered) for tag in possible):
            self._kind = self._default

    def _reasoning(self, *, ended: bool) -> Iterator[Piece]:
        start = 0
        while match := self._closing.search(self._held, start) if _may_hold_tag(self._held) else None:
            before = self._held[match.start() - 1 : match.start()] if match.start() else self._last
            if before == "`" and match.end() == len(self._held) and not ended:
                break  # whether it is quoted shows with the next character
            if before == "`" == self._held[match.end() : match.end() + 1]:
                start = match.end()
                continue
            thought, self._held = self._held[: match.start()], self._held[match.end() :]
            yield from self._piece(Kind.REASONING, thought)
            self._kind, self._default = None, Kind.TEXT
            self._fresh = self._settled = True
            return
        certain = len(self._held) - (0 if ended else _half_tag(self._held))
        thought, self._held = self._held[:certain], self._held[certain:]
        yield from self._piece(Kind.REASONING, thought)

    def _text(self, *, ended: bool) -> Iterator[Piece]:
        if not self._settled:
            yield from self._before_orphan(ended=ended)
        if self._kind is None:
            return
        certain = len(self._held) - (0 if ended or self._settled else _half_tag(self._held))
        text, self._held = self._held[:certain], self._held[certain:]
        if not self._settled:
            self._code.add(text)
        yield from self._piece(Kind.TEXT, text)

    def _before_orphan(self, *, ended: bool) -> Iterator[Piece]:
        """Find a closing tag that nothing has opened; what was written before it is reasoning."""
        start, text = 0, self._held
        for match in _CLOSING.finditer(text):
            before, following = text[start : match.start()], text[match.end() : match.end() + 1]
            if (before[-1:] or self._code.last) in _QUOTES and not (following or ended):
                break  # whether it is quoted shows with the next character
            self._code.add(before)
            if self._code.holds_tag(following):
                self._code.add(match[0])
                start = match.end()
                yield from self._piece(Kind.TEXT, before + match[0])
                continue
            if self._has_text:
                yield Kind.RETRACTION, ""
            yield from self._piece(Kind.REASONING, before)
            self._held = text[match.end() :]
            self._kind, self._default = None, Kind.TEXT
            self._fresh = self._settled = True
            return
        self._held = text[start:]

    def _piece(self, kind: Kind, text: str) -> Iterator[Piece]:
        # The line ends around the tags belong to them.
        text = text.lstrip() if self._fresh else text
        if text:
            self._fresh = False
            self._last = text[-1]
            self._has_text = self._has_text or kind is Kind.TEXT
            yield kind, text


class _CodeState:
    """Whether the end of a Markdown text is inside code, found out in one pass over it."""

    def __init__(self) -> None:
        self.last = ""  # its last character
        self._unread = ["\n"]
        self._in_fence = False
        self._ticks = 0
        self._opened = 0

    def add(self, text: str) -> None:
        """More of the text. It is read only when somebody asks."""
        if text:
            self._unread.append(text)
            self.last = text[-1]

    def holds_tag(self, following: str) -> bool:
        """Whether a closing tag at the end of the text, with this character after it, belongs to the text."""
        for match in _MARKS.finditer("".join(self._unread)):
            mark = match[0]
            if mark[0] == "\n":
                self._in_fence ^= mark[-1] in "`~"
                self._ticks = 0
            elif mark[0] == "`":
                self._ticks ^= 1
            elif not self._in_fence and not self._ticks:
                self._opened += 1
        self._unread = []
        if self._in_fence or self._ticks or (self.last in _QUOTES and _QUOTES[self.last] == following):
            return True
        if self._opened:
            self._opened -= 1
            return True
        return False


def _may_hold_tag(text: str) -> bool:
    return "<" in text or "[" in text or "\u25c1" in text


def _half_tag(text: str) -> int:
    """How many characters at the end of `text` could begin a closing tag; a whole one is not certain, either."""
    if not _may_hold_tag(text):
        return 0
    end = text[-_LONGEST:].lower()
    for start, character in enumerate(end):
        if character in "<[\u25c1" and any(tag.startswith(end[start:]) for tag in _TAGS.values()):
            return len(end) - start
    return 0
