"""What a model writes as a section of a report, made a part of it while it comes."""

from __future__ import annotations

from worker.writing.text.labels import Labels
from worker.writing.text.opening import Opening


class SectionText:
    """A streaming filter: without the section's own title, unwrapped, with labels that no other section has.

    How the text is cut into pieces changes nothing of what comes out. At most one line is held back; a line without
    brackets and code passes as it comes, but for the first.
    """

    def __init__(self, number: int, *titles: str) -> None:
        """`number` is the section's, `titles` are what it may repeat at its beginning: its own and the report's."""
        self._opening = Opening(titles)
        self._labels = Labels(number)

    def feed(self, text: str) -> str:
        """What can be written by now."""
        return self._labels.feed(self._opening.feed(text))

    def finish(self) -> str:
        """What was held back when the text ended."""
        return self._labels.feed(self._opening.finish()) + self._labels.finish()
