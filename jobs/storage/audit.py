"""Reads every ended job again, and says where what is stored of it disagrees. It changes nothing."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Row, select

from jobs.protocol import events, transcript
from jobs.protocol.events import TERMINAL, Event, events_of
from jobs.protocol.fold import Fold, text_of
from jobs.storage.database import Database
from jobs.storage.schema import jobs, transcripts

_PAGE = 20
_DELTAS = frozenset(
    {events.TEXT_DELTA, events.REFUSAL_DELTA, events.REASONING_DELTA, events.SUMMARY_DELTA, events.CALL_DELTA}
)
# The events that carry a part's whole text, and their field for it.
_WHOLE_TEXTS = {
    events.TEXT_DONE: "text",
    events.REFUSAL_DONE: "refusal",
    events.REASONING_DONE: "text",
    events.SUMMARY_TEXT_DONE: "text",
    events.CALL_DONE: "arguments",
}

_Row = Row[*tuple[Any, ...]]


def audit(database: Database) -> Iterator[tuple[str, list[str]]]:
    """Each ended job's id, in order of age, with the names of what differs: none when all is well.

    What its transcript folds to, the stored response and the row must agree; each section must be there once, as it
    was written; and what a viewer adds up must be the text that the log says is whole. Reads a few jobs at a time.
    """
    last = ""
    while rows := _page(database, last):
        for row in rows:
            yield row.id, _differences(row)
        last = rows[-1].id


def _page(database: Database, after: str) -> Sequence[_Row]:
    query = (
        select(jobs.c.id, jobs.c.status, jobs.c.response, jobs.c.sha256, transcripts.c.frames)
        .outerjoin(transcripts, transcripts.c.job_id == jobs.c.id)
        .where(jobs.c.ended_at.is_not(None), jobs.c.id > after)
        .order_by(jobs.c.id)
        .limit(_PAGE)
    )
    with database.read() as connection:
        return connection.execute(query).all()


def _differences(row: _Row) -> list[str]:
    if row.response is None or row.frames is None:
        return ["no response" if row.response is None else "no transcript"]
    try:
        stored = orjson.loads(row.response)
        reader = _Reader()
        for page in transcript.read(row.frames):
            for event in events_of(page):
                reader.feed(event)
        folded = reader.fold.response()
        text = text_of(stored)
        agreements = {
            "text": text_of(folded) == text,
            "status": folded["status"] == stored["status"] == row.status,
            "sha256": hashlib.sha256(text.encode()).hexdigest() == stored["penstock"]["sha256"] == row.sha256,
            f"{reader.ends} terminal events": reader.ends == 1,
        }
        differences = [name for name, agrees in agreements.items() if not agrees]
        return differences or [*reader.differences, *_misplaced(reader.fold, stored["output"])]
    except (zlib.error, LookupError, TypeError, ValueError) as error:
        return [f"unreadable: {error!r}"]


class _Reader:
    """Folds a transcript, and reads it as a viewer does: by adding up the deltas of each part."""

    def __init__(self) -> None:
        self.fold = Fold()
        self.ends = 0
        self.differences: list[str] = []
        self._texts: defaultdict[tuple[int, str, int], str] = defaultdict(str)

    def feed(self, event: Event) -> None:
        self.fold.feed(event)
        kind = event["type"]
        self.ends += kind in TERMINAL
        if kind in _DELTAS:
            self._texts[_part_of(event)] += event["delta"]
        elif kind in _WHOLE_TEXTS and self._texts[_part_of(event)] != event[_WHOLE_TEXTS[kind]]:
            self.differences.append(f"the deltas of item {event['item_id']} are not its text")


def _part_of(event: Event) -> tuple[int, str, int]:
    name = "content_index" if "content_index" in event else "summary_index"
    return event["output_index"], name, event.get(name, 0)


def _misplaced(folded: Fold, output: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Sections that stand in the output more than once, and items that are there otherwise than in the log.

    A run of a section is one item with an answer, and the thoughts before it.
    """
    answers = Counter(item["penstock"]["section"] for item in output if item["type"] == "message")
    yield from (f"section {section} is there {count} times" for section, count in sorted(answers.items()) if count > 1)
    written = {item.id: item.to_wire() for item in folded.items.values()}
    for item in output:
        log = written.get(item["id"])
        if log is None or any(log.get(parts) != item.get(parts) for parts in ("content", "summary", "arguments")):
            yield f"item {item['id']} is not as it was written"
