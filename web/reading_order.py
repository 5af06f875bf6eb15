"""A job's text as somebody reads it while it is written: section by section, a later one waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jobs import events
from jobs.events import Event


class Restarted(Exception):
    """Text that was handed out already is written anew, and cannot be taken back."""


class ReadingOrder:
    """Takes a job's events, gives the output text that can be read by then."""

    def __init__(self) -> None:
        self._sections: dict[int, int] = {}
        self._waiting: dict[int, list[str]] = {}
        self._whole: set[int] = set()
        self._now = 0
        self._told = False

    def feed(self, event: Event) -> str:
        """What can be read since this event, often nothing. Raises Restarted."""
        kind = event["type"]
        if kind == events.TEXT_DELTA:
            self._waiting.setdefault(self._sections[event["output_index"]], []).append(event["delta"])
        elif kind == events.ITEM_ADDED:
            self._open(event)
        elif kind == events.ITEM_DONE and event["item"]["status"] == "completed":
            self._whole.add(event["item"]["penstock"]["section"])
        elif kind in events.TERMINAL:
            return "".join("".join(self._waiting[section]) for section in sorted(self._waiting))
        return self._readable()

    def _open(self, event: Event) -> None:
        place = event["item"]["penstock"]
        section = self._sections[event["output_index"]] = place["section"]
        if "replaces" in place and event["item"]["type"] == "message":
            if section == self._now and self._told:
                raise Restarted
            self._waiting.pop(section, None)

    def _readable(self) -> str:
        text = ""
        while True:
            fresh = "".join(self._waiting.pop(self._now, []))
            text, self._told = text + fresh, self._told or bool(fresh)
            if self._now not in self._whole:
                return text
            self._now, self._told = self._now + 1, False


def texts(frames: Iterable[bytes]) -> Iterator[str]:
    """The readable text of a job's joined frames, in pieces, "" when there is a pause. Raises Restarted."""
    order = ReadingOrder()
    for piece in frames:
        if not piece:
            yield ""
        yield from filter(None, map(order.feed, events.events_of(events.split(piece))))
