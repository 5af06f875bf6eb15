"""What a text may cost to format. Beyond it, the rest is shown as it was written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

# Characters of HTML for a block, and for a whole text: footnotes, links and formulas make many out of few.
MAX_BLOCK_HTML = 1 << 20
MAX_TEXT_HTML = 4 << 20
# What a whole text may take of a processor: for what none of the other limits foresees.
MAX_TEXT_SECONDS = 10.0
# Link targets and footnotes of a text; cells of the tables of a block, those that short rows leave empty included.
MAX_DEFINITIONS = 1_000
MAX_CELLS = 2_000

# What a rule below a table's head consists of, also in a list or a quotation.
_RULE = "|:- \t>*+.0123456789"
_NOTICE = "Shown as plain text: too large to format. 内容过大，按纯文本显示。"


class Budget:
    """What the parts of one text have used together of its HTML and of its time."""

    def __init__(self) -> None:
        self._characters = 0
        self._seconds = 0.0

    @property
    def is_spent(self) -> bool:
        """Whether what is left of the text is shown as it was written."""
        return self._characters > MAX_TEXT_HTML or self._seconds > MAX_TEXT_SECONDS

    def count(self, html: str) -> None:
        """So much HTML was made."""
        self._characters += len(html)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Counts the time that this thread computes, for as long as this lasts."""
        begin = time.thread_time()
        try:
            yield
        finally:
            self._seconds += time.thread_time() - begin


def plain(source: str, *, notice: bool = True) -> str:
    """A block as it was written, below a line that says why, unless one before it has done so."""
    said = f"<p><em>{_NOTICE}</em></p>\n" if notice else ""
    return f"{said}<pre>{escape(source)}</pre>\n"


def has_huge_table(source: str) -> bool:
    """Whether a block may have a table of more than MAX_CELLS cells, found in linear time."""
    lines = source.split("\n")
    columns = max((line.count("|") + 1 for line in lines if "-" in line and not line.strip(_RULE)), default=0)
    return columns * len(lines) > MAX_CELLS
