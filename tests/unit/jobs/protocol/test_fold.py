"""The one fold: whatever the order of the events, the output is the last run of each section that wrote text."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jobs.protocol import events
from jobs.protocol.events import Event
from jobs.protocol.fold import Fold, fold, text_of
from jobs.protocol.progress import progress

DELTAS = {"reasoning": events.REASONING_DELTA, "message": events.TEXT_DELTA}
PART_TYPES = {"reasoning": "reasoning_text", "message": "output_text"}
SNAPSHOT = {"id": "resp_1", "status": "in_progress", "output": []}


@dataclass(frozen=True)
class Run:
    """What one run of a section writes: its items by type, in order, each with parts, each of pieces."""

    items: dict[str, list[list[str]]]

    @property
    def texts(self) -> dict[str, list[str]]:
        """The texts of the parts of each item that has any."""
        written = {kind: ["".join(part) for part in parts] for kind, parts in self.items.items()}
        return {kind: texts for kind, texts in written.items() if any(texts)}


Sections = Sequence[Sequence[Run]]
PARTS = st.lists(st.lists(st.text(max_size=3), max_size=3), max_size=2)
RUNS = st.builds(Run, st.fixed_dictionaries({}, optional={"reasoning": PARTS, "message": PARTS}).filter(bool))
SECTIONS = st.lists(st.lists(RUNS, min_size=1, max_size=3), min_size=1, max_size=3)
ORDERS = st.randoms(use_true_random=False)


def written(section: int, runs: Sequence[Run]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of one section, without numbers and indexes; a run replaces an item of the one before."""
    before: list[str] = []
    for number, run in enumerate(runs):
        mine: list[str] = []
        for kind, parts in run.items.items():
            mine.append(f"{kind}_{section}_{number}")
            place = {"section": section} | ({"replaces": before[-1]} if before and len(mine) == 1 else {})
            item = {"id": mine[-1], "type": kind, "status": "in_progress", "penstock": place}
            yield events.ITEM_ADDED, {"item_id": mine[-1], "item": item | {"penstock": place | {"started": number}}}
            for index, part in enumerate(parts):
                at = {"item_id": mine[-1], "content_index": index}
                yield events.PART_ADDED, {**at, "part": {"type": PART_TYPES[kind]}}
                yield from ((DELTAS[kind], {**at, "delta": piece}) for piece in part)
                yield events.PART_DONE, {**at, "part": {"type": PART_TYPES[kind], "text": "".join(part)}}
        status = "completed" if run is runs[-1] else "incomplete"
        done = {"status": status, "penstock": {"ended": number + 0.5}}
        yield from ((events.ITEM_DONE, {"item_id": item_id, "item": done}) for item_id in mine)
        before = mine


def interleaved(sections: Sections, order: random.Random) -> Iterator[Event]:
    """A job's events: its sections are written in parallel, indexes are given as items open."""
    indexes: dict[str, int] = {}
    yield {"type": events.IN_PROGRESS, "response": SNAPSHOT}
    lines = [written(number, runs) for number, runs in enumerate(sections)]
    while lines:
        line = order.choice(lines)
        kind, fields = next(line, (None, {}))
        if kind is None:
            lines.remove(line)
        else:
            yield {"type": kind, "output_index": indexes.setdefault(fields["item_id"], len(indexes)), **fields}


def expected(sections: Sections) -> list[tuple[int, str, list[str]]]:
    """(section, type, texts) of every item that counts."""
    output: list[tuple[int, str, list[str]]] = []
    for section, runs in enumerate(sections):
        counting = [run for run in runs if "message" in run.texts] or [run for run in runs if run.texts]
        output += [(section, kind, texts) for run in counting[-1:] for kind, texts in run.texts.items()]
    return output


@given(SECTIONS, ORDERS)
def test_the_last_run_with_text_of_each_section_counts(sections: Sections, order: random.Random) -> None:
    state = Fold()
    for event in interleaved(sections, order):
        state.feed(event)
        assert not state.ended
    response = state.response()
    assert [
        (item["penstock"]["section"], item["type"], [part["text"] for part in item["content"]])
        for item in response["output"]
    ] == expected(sections)
    for item in response["output"]:
        number = int(item["id"].rpartition("_")[2])
        assert (item["penstock"]["started"], item["penstock"]["ended"]) == (number, number + 0.5)
    said = [text for _, kind, texts in expected(sections) if kind == "message" for text in texts]
    assert text_of(response) == "".join(said)
    # An end carries what was folded, and is what is folded from then on.
    final = {**response, "status": "completed", "usage": {"output_tokens": 1}}
    state.feed({"type": events.COMPLETED, "response": final})
    assert state.ended
    assert state.response() == final


def test_a_restart_that_only_thinks_does_not_take_the_answer_away() -> None:
    runs = [Run({"reasoning": [["so"]], "message": [["the ", "answer"]]}), Run({"reasoning": [["again"]]})]
    assert text_of(fold(interleaved([runs], random.Random(0)))) == "the answer"


def test_an_item_that_waited_is_begun_with_its_first_part() -> None:
    state = Fold()
    item: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "status": "in_progress",
        "penstock": {"section": 1, "title": "Rain"},
    }
    state.feed({"type": events.ITEM_ADDED, "output_index": 0, "item": item})
    waiting = {"section": 1, "title": "Rain", "status": "queued", "words": 0, "started": None, "ended": None}
    assert progress(state.items.values())["sections"] == [waiting]
    part = {"output_index": 0, "content_index": 0}
    for begun in ({"penstock": {"started": 2.5}}, {}):  # a second part changes nothing
        state.feed({"type": events.PART_ADDED, **part, "part": {"type": "output_text"}, **begun})
    state.feed({"type": events.TEXT_DELTA, **part, "delta": "It rains"})
    (section,) = progress(state.items.values())["sections"]
    assert section == {**waiting, "status": "in_progress", "words": 2, "started": 2.5}
    assert state.items[0].to_wire()["penstock"] == {**item["penstock"], "started": 2.5}
