"""The beginning of a section: its own title and a fence around the whole are no part of its text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from worker.writing.outline.titles import repeats_title
from worker.writing.text.fences import FENCE, MAYBE_FENCE

_WRAPPER = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*(?:text/)?(?:markdown|md|mdx|gfm)[ \t]*", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\A(?:[ \t]{0,80}\r?\n)+")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*")
# What may stand around a title in a line that is nothing else: marks, a number, a link's address.
_AROUND_TITLE = 80


class Opening:
    """Leaves out what is no part of a section's text.

    That are the lines at its beginning that only repeat a title, and a ```` ```markdown ```` fence around all of it.
    """

    def __init__(self, titles: Sequence[str]) -> None:
        self._titles = [title for title in titles if title]
        self._longest = max(map(len, self._titles), default=0) + _AROUND_TITLE
        self._begun = False
        self._after_title = False
        self._wrapper: _Wrapper | None = None
        self._held = ""

    def feed(self, text: str) -> str:
        """What belongs to the text."""
        if self._begun:
            return self._wrapper.feed(text) if self._wrapper else text
        self._held += text
        if not self._after_title:
            self._held = _BLANK_LINES.sub("", self._held, count=1)
        while not self._begun:
            line, line_end, rest = self._held.partition("\n")
            if not line_end and len(line) <= self._longest:
                return ""
            self._take(line, rest)
        return self._begin()

    def finish(self) -> str:
        """What was held back when the text ended."""
        if not self._begun:
            if self._held:
                self._take(self._held, "")
            if not self._begun:
                return ""
            begun = self._begin()
            return begun + (self._wrapper.finish() if self._wrapper else "")
        return self._wrapper.finish() if self._wrapper else ""

    def _begin(self) -> str:
        text, self._held = self._held, ""
        return self._wrapper.feed(text) if self._wrapper else text

    def _take(self, line: str, rest: str) -> None:
        """Leave out the first line, or let the text begin with it."""
        if len(line) > self._longest:
            self._begun = True
        elif not line.strip() or (self._after_title and _UNDERLINE.fullmatch(line)):
            self._held = rest
        elif self._wrapper is None and (fence := _WRAPPER.fullmatch(line.rstrip("\r"))):
            self._wrapper = _Wrapper(fence[1])
            self._held = rest
        elif title := next((title for title in self._titles if repeats_title(line, title)), None):
            self._titles.remove(title)
            self._after_title = not line.lstrip().startswith("#")
            self._held = rest
            return
        else:
            self._begun = True
        self._after_title = False


def _may_be_fence(line: str) -> bool:
    return bool(MAYBE_FENCE.fullmatch(line) or FENCE.fullmatch(line))


class _Wrapper:
    """The text in a fence that was opened around all of it, without the line that closes the fence.

    Models nest fences of the same length: ```` ```python ```` opens one inside. A fence without a language closes the
    one inside, else the wrapper if an empty line or nothing follows, else it opens one.
    """

    def __init__(self, fence: str) -> None:
        self._fence = fence
        self._inner = ""
        self._held = ""
        self._in_line = False
        self._closing = ""
        self._closed = False

    def feed(self, text: str) -> str:
        """What of it belongs to the text."""
        if self._closed:
            return text
        self._held += text
        lines = re.findall(r"[^\n]*\n|[^\n]+", self._held)
        self._held = ""
        written = []
        for number, line in enumerate(lines):
            if self._closed:
                return "".join([*written, *lines[number:]])
            if line[-1] != "\n" and not self._in_line and _may_be_fence(line):
                self._held = line
                break
            written.append(line if self._in_line else self._line(line))
            self._in_line = line[-1] != "\n"
        return "".join(written)

    def finish(self) -> str:
        """What was held back when the text ended."""
        line, self._held = self._held, ""
        return self._line(line) if line and not self._closed else ""

    def _line(self, line: str) -> str:
        """What to write for a line, or for the beginning of one that is no fence."""
        before, self._closing = self._closing, ""
        if before and not line.strip():
            self._closed = True
            return line
        fence = FENCE.fullmatch(line.rstrip("\r\n"))
        if before:
            self._inner = before.strip()
        if not fence:
            return before + line
        mark = fence["mark"]
        bare = not (fence["prefix"] + fence["info"]).strip()
        if self._inner:
            self._inner = "" if bare and mark.startswith(self._inner) else self._inner
        elif bare and mark.startswith(self._fence):
            self._closing = line
            return before
        else:
            self._inner = mark
        return before + line
