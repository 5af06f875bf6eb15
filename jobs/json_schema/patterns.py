"""The patterns in a schema, run by RE2: its time grows with the text and the pattern alone, and it releases the GIL."""

from __future__ import annotations

import re

import re2

MAX_LENGTH = 1000
# Bytes for a compiled pattern and its automaton. RE2 falls back to a slower, still linear search beyond them.
_MAX_MEMORY = 1 << 17
# RE2 reads a count that it cannot hold as plain text, and `x{99999999999}` would be accepted as that.
_HUGE_COUNT = re.compile(r"\{[0-9]{4}|\{[0-9]{0,3},[0-9]{4}")


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    return options


class Pattern:
    """A regular expression of a user."""

    def __init__(self, source: str) -> None:
        """Compile it. Raises ValueError, one line, for what RE2 cannot do and for what is too large."""
        shown = source if len(source) <= 80 else f"{source[:79]}…"
        if len(source) > MAX_LENGTH:
            raise ValueError(f"the pattern {shown!r} is longer than {MAX_LENGTH} characters")
        if _HUGE_COUNT.search(source):
            raise ValueError(f"the pattern {shown!r} repeats something more than 999 times")
        try:
            self._compiled = re2.compile(source, _options())
        except (re2.error, UnicodeError) as error:
            reason = error.args[0]
            words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(error)
            remedy = "patterns are run by RE2, which has no lookaround and no backreferences"
            raise ValueError(f"the pattern {shown!r} cannot be used: {words[:80]} ({remedy})") from error

    def cost(self, text: str) -> int:
        """The most steps that a search in this text takes."""
        return int(self._compiled.programsize) * (len(text) + 1)

    def is_in(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text."""
        return self._compiled.search(text) is not None
