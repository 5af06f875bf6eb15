"""Lines that open or close code in Markdown, also within a list or a quotation."""

from __future__ import annotations

import re

# Quotation marks, indentation and the markers of lists.
PREFIX = r"[ \t>]*+(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]++)*+"
FENCE = re.compile(rf"(?P<prefix>{PREFIX})(?P<mark>`{{3,}}|~{{3,}})(?P<info>[^\n]*)")
# The beginning of a line that may still become one.
MAYBE_FENCE = re.compile(rf"{PREFIX}(?:[-*+]|[0-9]{{0,9}}[.)]?)?(?:`*|~*)")
