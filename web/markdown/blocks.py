"""A Markdown text that is still being written, rendered block by block: each once, when no later text can change it.

How the text was split on its way must never show: all is decided line by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from web.markdown.limits import has_huge_table
from web.markdown.renderer import Document, parse
from web.turns import Turns

# Characters. A longer block is cut: it bounds what a tail costs, and the worst that a parser can be brought to.
_LIMIT = 5_000
_LINE = re.compile(rf"[^\n]{{0,{_LIMIT - 1}}}+\n|[^\n]{{1,{_LIMIT}}}")
_ITEM = re.compile(r" {0,3}([-+*]|[0-9]{1,9}[.)])[ \t\n]")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
# How many lines open an element that goes on behind a cut.
_OPENING = {"fence": 1, "table_open": 2}


def render(text: str) -> str:
    """A whole text as safe HTML: the same bytes on its page and in its export."""
    return "".join(render_parts([(0, text)]))


def render_parts(parts: Sequence[tuple[int, str]]) -> list[str]:
    """The parts of one text, each with its number, as safe HTML; the footnotes of each stand at its end."""
    document = Document()
    return [_render_part(document.part(number), text) for number, text in parts]


def _render_part(part: Document, text: str) -> str:
    splitter = BlockSplitter()
    turns = Turns()
    blocks = []
    for start in range(0, len(text), _LIMIT):
        blocks += splitter.feed(text[start : start + _LIMIT])
        turns.give_way()
    blocks.append(splitter.open)
    for block in blocks:
        part.define(block)
        turns.give_way()
    return "".join([*_one_by_one(part, blocks), part.footnotes()])


class PlainText:
    """Text that is no Markdown, with the methods of a Document."""

    def define(self, source: str) -> None:
        """It defines nothing."""

    def html(self, source: str) -> str:
        """A block as safe HTML."""
        return escape(source)

    def footnotes(self) -> str:
        """It has none."""
        return ""


class GrowingText:
    """A text as it is written. Joined, its blocks are what `render` gives, but for what is defined after its use."""

    def __init__(self, document: Document | PlainText | None = None) -> None:
        """`document` renders the blocks: a part of another if this text is, PlainText if it is no Markdown."""
        self._splitter = BlockSplitter()
        self._document = document or Document()

    @property
    def open(self) -> str:
        """The source of the block that is being written now."""
        return self._splitter.open

    def feed(self, delta: str) -> list[str]:
        """The HTML of the blocks that this piece of text finishes."""
        return self._finished(self._splitter.feed(delta))

    def tail(self) -> str:
        """The HTML of the block that is being written now, as far as it goes."""
        return self.draft(self.open)

    def draft(self, source: str) -> str:
        """The HTML of a block that is not finished."""
        # On its own: half a definition must not count for what follows.
        return type(self._document)().html(source)

    def finish(self) -> list[str]:
        """What is left when the text has ended: the last block, and the footnotes."""
        return [*self._finished([self._splitter.open]), *filter(None, [self._document.footnotes()])]

    def _finished(self, blocks: Iterable[str]) -> list[str]:
        rendered: list[str] = []
        for block in blocks:
            self._document.define(block)
            rendered += _one_by_one(self._document, [block])
        return [html for html in rendered if html]


def _one_by_one(document: Document | PlainText, blocks: Iterable[str]) -> Iterator[str]:
    turns = Turns()
    for block in blocks:
        yield document.html(block)
        turns.give_way()


class BlockSplitter:
    """Cuts Markdown between the elements of its top level, never within one unless it is very long."""

    def __init__(self) -> None:
        self._block = ""
        self._line = ""
        self._in_list = False
        self._after_blank = False
        self._closing: re.Pattern[str] | None = None

    @property
    def open(self) -> str:
        """The block that is being written now."""
        return self._block + self._line

    def feed(self, delta: str) -> list[str]:
        """The blocks that are over with this piece of text."""
        lines = _LINE.findall(self._line + delta.replace("\r", ""))
        unfinished = lines and lines[-1][-1] != "\n" and len(lines[-1]) < _LIMIT
        self._line = lines.pop() if unfinished else ""
        return [block for line in lines for block in self._add(line)]

    def _add(self, line: str) -> list[str]:
        """Take a line; give the block that is over before it, and the one that is over with it."""
        ended = []
        flush = line[0] not in " \t\n"
        # Over an empty line and up to the margin reach only code that is not closed, and a list's next item.
        goes_on = self._closing or (self._in_list and _ITEM.match(line))
        full = len(self._block) >= (_LIMIT if flush and not _FENCE.match(line) else 2 * _LIMIT)
        if full or (flush and self._after_blank and not goes_on):
            opening = self._opening(line)
            if full or not opening:
                ended.append(self._cut())
                self._block = opening
            if fence := _FENCE.match(opening):
                self._closing = re.compile(rf" {{0,3}}{fence[1]}{fence[1][0]}*[ \t]*\n")
        self._block += line
        self._in_list = self._in_list or bool(_ITEM.match(line))
        self._after_blank = not line.strip(" \t\n")
        if self._closing and self._closing.fullmatch(line):
            ended.append(self._cut())
        return ended

    def _cut(self) -> str:
        block = self._block
        self._block, self._in_list, self._after_blank, self._closing = "", False, False, None
        return block

    def _opening(self, line: str) -> str:
        """The lines that opened the code or table in which this line would be; none if it begins something new."""
        if has_huge_table(self._block):
            return ""
        tokens = parse(self._block + line)
        home = next((token for token in reversed(tokens) if token.level == 0 and token.map), None)
        if home is None or home.map is None or home.map[0] >= self._block.count("\n"):
            return ""
        lines = self._block.split("\n")[home.map[0] :][: _OPENING.get(home.type, 0)]
        opening = "".join(f"{line}\n" for line in lines)
        return opening if len(opening) < _LIMIT // 8 else ""
