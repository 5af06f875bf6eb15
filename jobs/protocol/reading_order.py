"""A job's text as somebody reads it while it is written: section by section, a later one waits for its turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.errors import PenstockError
from jobs.protocol import events
from jobs.protocol.events import Event


class Restarted(PenstockError):
    """Text that was handed out already is written anew, and cannot be taken back."""


class ReadingOrder:
    """Takes a job's events from number 0 on, gives the output text that can be read by then.

    `snapshot` is the job's response as it was when the reader came: what had been replaced by then is left out.
    """

    def __init__(self, snapshot: Mapping[str, Any]) -> None:
        self._sections: dict[int, int] = {}
        self._source: dict[int, int] = {}
        self._waiting: dict[int, list[str]] = {}
        self._whole: set[int] = set()
        self._section = 0
        self._is_begun = False
        self._awaited = {
            item["penstock"]["section"]: item["id"] for item in snapshot["output"] if item["type"] == "message"
        }

    def feed(self, event: Event) -> str:
        """What can be read since this event, often nothing. Raises Restarted."""
        kind = event["type"]
        if kind in (events.TEXT_DELTA, events.REFUSAL_DELTA):
            self._write(event["output_index"], event["delta"])
        elif kind in (events.ITEM_ADDED, events.ITEM_DONE):
            self._note(event["output_index"], event["item"])
        elif kind in events.TERMINAL:
            return "".join("".join(self._waiting[section]) for section in sorted(self._waiting))
        return self._readable()

    def _note(self, index: int, item: Mapping[str, Any]) -> None:
        section = item["penstock"]["section"]
        if item["type"] != "message":
            # A plan, which has a summary and no thought, is all there is in its section.
            is_plan = bool(item.get("summary")) and not item.get("content")
            if is_plan and item["status"] == "completed":
                self._whole.add(section)
        elif self._awaited.get(section, item["id"]) == item["id"]:
            self._awaited.pop(section, None)
            self._sections[index] = section
            if item["status"] == "completed":
                self._whole.add(section)

    def _write(self, index: int, delta: str) -> None:
        section = self._sections.get(index)
        if section is None:
            return
        if self._source.setdefault(section, index) != index:  # the first word of a later run
            if section == self._section and self._is_begun:
                raise Restarted
            self._source[section] = index
            self._waiting.pop(section, None)
        self._waiting.setdefault(section, []).append(delta)

    def _readable(self) -> str:
        text = ""
        while True:
            fresh = "".join(self._waiting.pop(self._section, []))
            text += fresh
            self._is_begun = self._is_begun or bool(fresh)
            if self._section not in self._whole:
                return text
            self._section += 1
            self._is_begun = False
