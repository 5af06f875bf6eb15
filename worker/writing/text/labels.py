"""The labels of footnotes and link references, each made its section's own: `[^1]` in section 2 becomes `[^2-1]`.

A short reference (`[1]` alone) reads like plain brackets as long as its definition has not come, and stays as it is;
its definition is then written under both labels.
"""

from __future__ import annotations

import re

from worker.writing.text.fences import FENCE, MAYBE_FENCE, PREFIX

_LINE_END = re.compile(r"\n")
_SPECIAL = re.compile(r"[\n`\\\[\]]")
# Longer constructs than this are plain text: it bounds what is held back of a line.
_MAX_HELD = 1000
_DEFINITION = re.compile(
    rf"(?P<prefix>{PREFIX})\[(?P<label>(?!\^)(?:[^\[\]\\\n]|\\[^\n]){{1,200}})\]:(?P<target>[^\n]*)"
)
_MAYBE_DEFINITION = re.compile(rf"{PREFIX}\[(?!\^)(?:[^\[\]\\\n]|\\[^\n]){{0,200}}\\?(?:\]|\]:[^\n]*)?")
# `[^a-z]` is no footnote but a part of a regular expression.
_FOOTNOTE = re.compile(r"\[\^(?!\w-\w[\]\w])(?P<label>[^\]\[\s`^]{1,100})\]")
_MAYBE_FOOTNOTE = re.compile(r"\[\^[^\]\[\s`^]{0,100}")
_IN_BRACKETS = r"(?:[^\[\]\n`\\]|`[^`\n]*`|\\[^\n])"
_BRACKETS = re.compile(rf"\[({_IN_BRACKETS}*)\]")
_MAYBE_BRACKETS = re.compile(rf"\[{_IN_BRACKETS}*(?:`[^`\n]*|\\)?")
_LABEL = re.compile(r"\[([^\[\]\n]{0,200})\]")
_MAYBE_LABEL = re.compile(r"\[[^\[\]\n]{0,200}")
_CITATION = re.compile(r"[0-9 ,;–-]*")

# How much of the source is read, and what is written for it; None while more of it has to come.
_Step = tuple[int, str] | None


class Labels:
    """A streaming filter over one section's text. Code is left alone."""

    def __init__(self, section: int) -> None:
        self._section = section
        self._held = ""
        self._at_line_start = True
        self._previous = ""
        self._fence = ""
        # A definition cannot stand in the middle of a paragraph.
        self._in_paragraph = False
        self._blank = True
        self._defined: set[str] = set()
        self._short: set[str] = set()

    def feed(self, text: str) -> str:
        """What can be written by now."""
        if not text or not (self._held or self._at_line_start or _SPECIAL.search(text)):
            self._previous = text[-1:] or self._previous
            return text
        return self._advance(self._held + text, ended=False)

    def finish(self) -> str:
        """What was held back when the text ended."""
        return self._advance(self._held, ended=True)

    def _advance(self, source: str, *, ended: bool) -> str:
        written = []
        at = 0
        while at < len(source):
            certain = ended or len(source) - at > _MAX_HELD + 1
            step = self._start_line(source, at, certain) if self._at_line_start else self._inline(source, at, certain)
            if step is None:
                break
            length, text = step
            written.append(text)
            at += length
            if length:
                self._previous = source[at - 1]
        self._held = source[at:]
        return "".join(written)

    def _start_line(self, source: str, at: int, certain: bool) -> _Step:
        """Read the beginning of a line, and all of one that is a fence or a definition."""
        end = source.find("\n", at)
        line = source[at : at + _MAX_HELD + 1] if end < 0 else source[at:end]
        whole = (end >= 0 or certain) and len(line) <= _MAX_HELD
        if not whole and not certain and self._may_be_special(line):
            return None
        self._at_line_start = False
        self._previous = ""
        self._blank = not line.strip()
        paragraph, self._in_paragraph = self._in_paragraph, not self._blank and not line.lstrip(" >").startswith("#")
        if whole and (fence := FENCE.fullmatch(line)) and self._takes_fence(fence):
            self._in_paragraph = False
            return len(line), line
        definition = None if self._fence or not whole else _DEFINITION.fullmatch(line)
        if definition and (not paragraph or definition["prefix"].strip()):
            self._in_paragraph = False
            return len(line), self._define(definition)
        return 0, ""

    def _may_be_special(self, line: str) -> bool:
        """Whether the beginning of a line may become a fence, or a definition."""
        if MAYBE_FENCE.fullmatch(line) or FENCE.fullmatch(line):
            return True
        return not self._fence and bool(_MAYBE_DEFINITION.fullmatch(line))

    def _takes_fence(self, fence: re.Match[str]) -> bool:
        """Whether a line opens or closes code; `self._fence` is then that of the code, or empty."""
        mark = fence["mark"]
        if self._fence:
            closes = mark.startswith(self._fence) and not fence["info"].strip()
            self._fence = "" if closes else self._fence
            return closes
        if mark[0] == "`" and "`" in fence["info"]:
            return False
        self._fence = mark
        return True

    def _define(self, definition: re.Match[str]) -> str:
        prefix, label, target = definition["prefix"], definition["label"], definition["target"]
        key = _key(label)
        self._defined.add(key)
        line = f"{prefix}[{self._own(label)}]:{target}"
        return f"{line}\n{prefix}[{label}]:{target}" if key in self._short and target.strip() else line

    def _inline(self, source: str, at: int, certain: bool) -> _Step:
        """Read up to what is special, or that."""
        special = (_LINE_END if self._fence else _SPECIAL).search(source, at)
        if special is None:
            return len(source) - at, source[at:]
        if special.start() > at:
            return special.start() - at, source[at : special.start()]
        match special[0]:
            case "\n":
                self._at_line_start = True
                return 1, "\n"
            case "\\":
                length = 2 if source[at + 1 : at + 2] not in ("", "\n") else 1
                return (length, source[at : at + length]) if at + 1 < len(source) or certain else None
            case "`":
                return _code(source, at, certain)
            case "]":
                return self._label_after(source, at, certain)
        return self._brackets(source, at, certain)

    def _brackets(self, source: str, at: int, certain: bool) -> _Step:
        """Read a footnote's label, or a text in brackets with the label behind it."""
        if not certain and (at + 1 == len(source) or _MAYBE_FOOTNOTE.fullmatch(source, at)):
            return None
        if note := _FOOTNOTE.match(source, at):
            return len(note[0]), f"[^{self._own(note['label'])}]"
        brackets = _BRACKETS.match(source, at, at + _MAX_HELD)
        if brackets is None:
            return (1, "[") if certain or not _MAYBE_BRACKETS.fullmatch(source, at) else None
        end = brackets.end()
        if not certain and (end == len(source) or _MAYBE_LABEL.fullmatch(source, end)):
            return None
        text = brackets[1]
        previous = self._previous
        label = _LABEL.match(source, end, at + _MAX_HELD)
        if label and self._is_reference(text, label[1], after=previous):
            return label.end() - at, f"[{text}][{self._own(label[1] or text)}]"
        if _key(text) in self._defined and previous != "]" and source[end : end + 1] not in ("(", "["):
            return end - at, f"[{text}][{self._own(text)}]"
        self._short.add(_key(text))
        return end - at, brackets[0]

    def _is_reference(self, text: str, label: str, after: str) -> bool:
        """Whether `[text][label]` is a reference, and not two citations or the items of a list in code."""
        if label.startswith("^"):
            return False
        plain = _CITATION.fullmatch(text) or after == "]" or (after.isascii() and (after.isalnum() or after == "_"))
        return _key(label or text) in self._defined or not plain

    def _label_after(self, source: str, at: int, certain: bool) -> _Step:
        """Read the label behind a text that has brackets of its own, as an image in a link has."""
        if not certain and (at + 1 == len(source) or _MAYBE_LABEL.fullmatch(source, at + 1)):
            return None
        label = _LABEL.match(source, at + 1, at + _MAX_HELD)
        if label is None or not label[1]:
            return 1, "]"
        if _key(label[1]) not in self._defined and (label[1].startswith("^") or _CITATION.fullmatch(label[1])):
            return 1, "]"
        return label.end() - at, f"][{self._own(label[1])}]"

    def _own(self, label: str) -> str:
        return f"{self._section}-{label}"


def _code(source: str, at: int, certain: bool) -> _Step:
    """Read code between runs of as many backticks, within a line; a run that nothing closes is text."""
    end = source.find("\n", at)
    line = source[at : at + _MAX_HELD + 1] if end < 0 else source[at:end]
    ticks = len(line) - len(line.lstrip("`"))
    closing = re.compile(rf"(?<!`)`{{{ticks}}}(?!`)").search(line, ticks, _MAX_HELD)
    is_whole = certain or end >= 0
    if closing is None or (closing.end() == len(line) and not is_whole):
        return (ticks, line[:ticks]) if is_whole else None
    return closing.end(), line[: closing.end()]


def _key(label: str) -> str:
    """A label as definitions and references are compared."""
    return " ".join(label.split()).casefold()
