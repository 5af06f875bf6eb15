"""From a job's events to the text to print: in reading order, each character once. Pure."""

from __future__ import annotations

from itertools import count
from typing import Any

from cli.exit_codes import FAILED, Stop
from jobs import events
from jobs.events import Event
from jobs.fold import Fold, text_of


class Reading:
    """Takes every event of a job, from number 0 on, and says after each what is to be printed.

    `snapshot` is the job as it was when the reader came: what had been replaced by then is never printed.
    `since` is the number of the last event whose text an earlier reading has printed, -1 for none.
    """

    def __init__(self, snapshot: dict[str, Any], *, since: int = -1) -> None:
        self._fold = Fold()
        self._since = since
        self._printed = ""
        # How much of each item is still to come before the reading is where the snapshot was.
        self._behind = {
            item["id"]: sum(len(part["text"]) for part in item["content"])
            for item in snapshot["output"]
            if item["type"] == "message" and since < 0
        }

    def feed(self, event: Event) -> str:
        """The text to print after this event. Raises Stop when what was printed has been replaced."""
        if event["sequence_number"] <= self._since:
            self._fold.feed(event)
            return ""
        if self._since >= 0:  # the earlier reading ended here
            self._printed, self._since = self._text(), -1
        self._fold.feed(event)
        if not self._has_caught_up(event):
            return ""
        text = self._text()
        if not text.startswith(self._printed):
            if not self._fold.ended and self._printed.startswith(text):
                return ""  # an item begun again, so far with the same words
            raise Stop("text that is printed above was written again: `penstock show` prints it anew", FAILED)
        new = text[len(self._printed) :]
        self._printed = text
        return new

    def _has_caught_up(self, event: Event) -> bool:
        if event["type"] == events.TEXT_DELTA and event["item_id"] in self._behind:
            self._behind[event["item_id"]] -= len(event["delta"])
            if self._behind[event["item_id"]] <= 0:
                del self._behind[event["item_id"]]
        return not self._behind or self._fold.ended

    def _text(self) -> str:
        response = self._fold.response()
        if self._fold.ended:
            return text_of(response)
        ready = self._first_unfinished_section()
        return text_of({"output": [item for item in response["output"] if item["penstock"]["section"] <= ready]})

    def _first_unfinished_section(self) -> int:
        """The section being written: those after it wait, even if text of theirs is there."""
        last = {item.section: item for _, item in sorted(self._fold.items.items())}
        whole = {number for number, item in last.items() if item.type == "message" and item.status == "completed"}
        return next(number for number in count() if number not in whole)
