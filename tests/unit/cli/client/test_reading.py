"""What is printed of a job's events: all of the text, in reading order, each character once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.protocol.events import Event
from jobs.protocol.fold import fold, text_of
from jobs.protocol.reading_order import ReadingOrder, Restarted


class Script:
    """Writes the events of a job, numbered."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._numbers = count()
        self._items = count()
        self._sections: dict[int, int] = {}
        self._kinds: dict[int, str] = {}
        self._add("response.created", response={"id": "resp_1", "status": "queued", "output": []})

    def _add(self, kind: str, **fields: Any) -> None:
        self.events.append({"type": kind, "sequence_number": next(self._numbers), **fields})

    def open(self, section: int = 0, *, kind: str = "message", replaces: int | None = None) -> int:
        index = next(self._items)
        self._sections[index], self._kinds[index] = section, kind
        place: dict[str, Any] = {"section": section}
        if replaces is not None:
            place["replaces"] = f"item_{replaces}"
        item = {"id": f"item_{index}", "type": _wire_type(kind), "status": "in_progress", "penstock": place}
        self._add("response.output_item.added", output_index=index, item=item)
        part = {"type": "output_text" if kind == "message" else "reasoning_text", "text": ""}
        self._add("response.content_part.added", output_index=index, item_id=item["id"], content_index=0, part=part)
        return index

    def write(self, index: int, text: str, kind: str = "output_text") -> None:
        self._add(f"response.{kind}.delta", output_index=index, item_id=f"item_{index}", content_index=0, delta=text)

    def close(self, index: int, status: str = "completed") -> None:
        place = {"section": self._sections[index]}
        kind = self._kinds[index]
        item: dict[str, Any] = {"id": f"item_{index}", "type": _wire_type(kind), "status": status, "penstock": place}
        if kind != "message":
            item["summary"] = [{"type": "summary_text", "text": "1. tides"}]
            item["content"] = [] if kind == "plan" else [{"type": "reasoning_text", "text": "1. tides"}]
        self._add("response.output_item.done", output_index=index, item=item)

    def end(self, status: str = "completed") -> str:
        response = {**fold(self.events), "status": status}
        self._add("response.completed" if status == "completed" else "response.incomplete", response=response)
        return text_of(response)


def _wire_type(kind: str) -> str:
    return "reasoning" if kind == "plan" else kind


def snapshot_after(events: Iterable[Event]) -> dict[str, Any]:
    return fold(events)


NOTHING: dict[str, Any] = {"output": []}


def test_text_comes_as_it_is_written_and_reasoning_never() -> None:
    script = Script()
    thought = script.open(kind="reasoning")
    script.write(thought, "hmm", "reasoning_text")
    script.close(thought)
    answer = script.open()
    script.write(answer, "春天")
    script.write(answer, "来了")
    script.close(answer)
    script.end()
    reading = ReadingOrder(NOTHING)
    assert [text for event in script.events if (text := reading.feed(event))] == ["春天", "来了"]


def test_a_later_section_waits_for_the_earlier_ones() -> None:
    script = Script()
    first, second = script.open(0), script.open(1)
    script.write(second, "two")
    script.write(first, "one ")
    script.close(second)
    script.close(first)
    script.end()
    reading = ReadingOrder(NOTHING)
    assert [text for event in script.events if (text := reading.feed(event))] == ["one ", "two"]


def test_a_plan_which_has_no_text_holds_nothing_back() -> None:
    script = Script()
    broken = script.open(0, kind="plan")
    script.close(broken, "incomplete")
    plan = script.open(0, kind="plan", replaces=broken)
    first, second = script.open(1), script.open(2)
    script.write(first, "early ")
    script.close(plan)
    script.write(second, "two")
    script.write(first, "one ")
    script.close(first)
    reading = ReadingOrder(NOTHING)
    assert [text for event in script.events if (text := reading.feed(event))] == ["early ", "one ", "two"]


def test_a_finished_thought_does_not_end_its_section() -> None:
    """A new attempt announces finished items one after the other."""
    script = Script()
    script.close(script.open(kind="reasoning"))
    later = script.open(1)
    script.write(later, "two")
    answer = script.open(0)
    script.write(answer, "one ")
    script.close(answer)
    reading = ReadingOrder(NOTHING)
    assert [text for event in script.events if (text := reading.feed(event))] == ["one ", "two"]


def test_printed_text_that_is_begun_again_stops_the_reading() -> None:
    script = Script()
    first = script.open()
    script.write(first, "Once upon")
    script.close(first, "incomplete")
    reading = ReadingOrder(NOTHING)
    assert "".join(map(reading.feed, script.events)) == "Once upon"
    began = len(script.events)
    script.write(script.open(replaces=first), "Long ago")
    with pytest.raises(Restarted):
        list(map(reading.feed, script.events[began:]))


def test_what_was_replaced_before_the_reader_came_is_never_printed() -> None:
    script = Script()
    first = script.open()
    script.write(first, "Once upon")
    script.close(first, "incomplete")
    again = script.open(replaces=first)
    script.write(again, "Long ")
    reading = ReadingOrder(snapshot_after(script.events))
    script.write(again, "ago")
    script.close(again)
    script.end()
    assert [text for event in script.events if (text := reading.feed(event))] == ["Long ", "ago"]


def test_a_job_that_ends_with_half_a_text_keeps_it() -> None:
    script = Script()
    first = script.open()
    script.write(first, "half")
    script.close(first, "incomplete")
    script.end("cancelled")
    assert "".join(map(ReadingOrder(NOTHING).feed, script.events)) == "half"


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Event], str]:
    """A job of parallel sections, restarts among them, and its final text."""
    script = Script()
    open_items: dict[int, int] = {section: script.open(section) for section in range(draw(st.integers(1, 4)))}
    for _ in range(draw(st.integers(0, 30))):
        if not open_items:
            break
        section = draw(st.sampled_from(sorted(open_items)))
        action = draw(st.sampled_from(["write"] * 6 + ["close", "restart"]))
        if action == "write":
            script.write(open_items[section], draw(st.text("abc\n", min_size=1, max_size=3)))
        elif action == "close":
            script.close(open_items.pop(section))
        else:
            script.close(open_items[section], "incomplete")
            open_items[section] = script.open(section, replaces=open_items[section])
            script.write(open_items[section], draw(st.text("abc\n", min_size=1, max_size=3)))  # as workers do
    for index in open_items.values():
        script.close(index)
    return script.events, script.end()


@given(stories(), st.data())
def test_the_printed_text_is_the_final_text_or_its_beginning(
    story: tuple[list[Event], str], data: st.DataObject
) -> None:
    events, final = story
    came = data.draw(st.integers(0, len(events)))
    reading = ReadingOrder(snapshot_after(events[:came]) if came else NOTHING)
    printed = ""
    try:
        for event in events:
            printed += reading.feed(event)
    except Restarted:
        assert any(
            "replaces" in event["item"]["penstock"] for event in events if "added" in event["type"] and "item" in event
        )
    else:
        assert printed == final
