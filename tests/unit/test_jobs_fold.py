"""The one fold: whatever the order of the events, the output is the last run of each section that wrote text."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jobs import events
from jobs.events import Event
from jobs.fold import Fold, fold, text_of

TYPES = {
    "rs": ("reasoning", "reasoning_text", events.REASONING_DELTA),
    "msg": ("message", "output_text", events.TEXT_DELTA),
}
PARTS = st.lists(st.lists(st.text(max_size=3), max_size=3), max_size=2)
SNAPSHOT = {"id": "resp_1", "status": "queued", "output": []}


@dataclass(frozen=True)
class Run:
    """What one run of a section writes: items by prefix, in order, each with parts, each of pieces."""

    items: dict[str, list[list[str]]]

    @property
    def texts(self) -> dict[str, list[str]]:
        """The texts of the parts of each item that has any."""
        written = {prefix: ["".join(part) for part in parts] for prefix, parts in self.items.items()}
        return {prefix: texts for prefix, texts in written.items() if any(texts)}


RUNS = st.builds(Run, st.fixed_dictionaries({}, optional={"rs": PARTS, "msg": PARTS}).filter(bool))
SECTIONS = st.lists(st.lists(RUNS, min_size=1, max_size=3), min_size=1, max_size=3)


def written(section: int, runs: Sequence[Run]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of one section, without numbers and indexes; a run replaces an item of the one before."""
    before: list[str] = []
    for run_number, run in enumerate(runs):
        mine: list[str] = []
        for prefix, parts in run.items.items():
            kind, part_type, delta = TYPES[prefix]
            item_id = f"{prefix}_{section}_{run_number}"
            place = {"section": section} | ({"replaces": before[-1]} if before and not mine else {})
            item = {"id": item_id, "type": kind, "status": "in_progress", "penstock": place}
            yield events.ITEM_ADDED, {"item": item}
            for number, part in enumerate(parts):
                at = {"item_id": item_id, "content_index": number}
                yield events.PART_ADDED, {**at, "part": {"type": part_type}}
                for piece in part:
                    yield delta, {**at, "delta": piece}
                yield events.PART_DONE, {**at, "part": {"type": part_type, "text": "".join(part)}}
            mine.append(item_id)
        status = "completed" if run is runs[-1] else "incomplete"
        for item_id in mine:
            yield events.ITEM_DONE, {"item_id": item_id, "item": {"status": status}}
        before = mine


def interleaved(sections: Sequence[Sequence[Run]], chance: random.Random) -> Iterator[Event]:
    """A job's events: its sections are written in parallel, indexes are given as items open."""
    numbers: dict[str, int] = {}
    yield {"type": events.CREATED, "response": SNAPSHOT}
    yield {"type": events.IN_PROGRESS, "response": {**SNAPSHOT, "status": "in_progress"}}
    lines = [written(number, runs) for number, runs in enumerate(sections)]
    while lines:
        line = chance.choice(lines)
        kind, fields = next(line, (None, {}))
        if kind is None:
            lines.remove(line)
            continue
        index = numbers.setdefault(fields.get("item_id") or fields["item"]["id"], len(numbers))
        yield {"type": kind, "output_index": index, **fields}


def expected(sections: Sequence[Sequence[Run]]) -> list[tuple[str, list[str]]]:
    """(type, texts) of every item that counts."""
    output: list[tuple[str, list[str]]] = []
    for runs in sections:
        counting = [run for run in runs if "msg" in run.texts] or [run for run in runs if run.texts]
        for run in counting[-1:]:
            output += [(TYPES[prefix][0], run.texts[prefix]) for prefix in run.texts]
    return output


@given(SECTIONS, st.randoms(use_true_random=False))
def test_the_last_run_with_text_of_each_section_counts(sections: list[list[Run]], chance: random.Random) -> None:
    response = fold(interleaved(sections, chance))
    told = [(item["type"], [part["text"] for part in item["content"]]) for item in response["output"]]
    assert told == expected(sections)
    assert response["status"] == "in_progress"
    answers = [texts for kind, texts in expected(sections) if kind == "message"]
    assert text_of(response) == "".join(text for texts in answers for text in texts)
    assert [item["penstock"]["section"] for item in response["output"]] == sorted(
        item["penstock"]["section"] for item in response["output"]
    )


@given(SECTIONS, st.randoms(use_true_random=False))
def test_an_end_carries_what_was_folded(sections: list[list[Run]], chance: random.Random) -> None:
    state = Fold()
    for event in interleaved(sections, chance):
        state.feed(event)
        assert not state.ended
    final = {**state.response(), "status": "completed", "usage": {"output_tokens": 1}}
    state.feed({"type": events.COMPLETED, "response": final})
    assert state.ended
    assert state.response() == final


def test_a_restart_that_only_thinks_does_not_take_the_answer_away() -> None:
    runs = [Run({"rs": [["so"]], "msg": [["the ", "answer"]]}), Run({"rs": [["again"]]})]
    assert text_of(fold(interleaved([runs], random.Random(0)))) == "the answer"


def test_a_text_that_is_taken_up_again_gets_another_part() -> None:
    response = fold(interleaved([[Run({"msg": [["one"], ["two"]]})]], random.Random(0)))
    assert [part["text"] for part in response["output"][0]["content"]] == ["one", "two"]
    assert text_of(response) == "onetwo"
