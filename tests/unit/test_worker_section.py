"""A section that is begun again: in the same items while the model repeats itself, else in new ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import events
from jobs.attempts import Checkpoint
from jobs.fold import fold
from tests.support.rows import Rows, events_of, frames_of
from worker.answer import Kind
from worker.recording import Recording
from worker.section import Section

Said = list[tuple[Kind, str]]


def pieces(reasoning: str, text: str, cuts: list[int]) -> Said:
    """An answer in pieces, cut at the places of the whole."""
    said: Said = []
    for kind, whole in ((Kind.REASONING, reasoning), (Kind.TEXT, text)):
        borders = sorted({0, len(whole), *(place for place in cuts if place < len(whole))})
        said += [(kind, whole[begin:end]) for begin, end in zip(borders, borders[1:], strict=False)]
    return said


def say(section: Section, said: Said, recording: Recording) -> None:
    for number, (kind, text) in enumerate(said):
        section.write(kind, text)
        if number % 2:
            recording.batch()  # numbers what is there, as the publisher does at any moment


def finished(section: Section) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    section.finish(items.extend)
    return items


def text_by_type(items: list[dict[str, Any]]) -> dict[str, str]:
    return {item["type"]: "".join(part["text"] for part in item["content"]) for item in items}


def told(recording: Recording, kind: str) -> list[dict[str, Any]]:
    return [event["item"] for event in events_of(recording) if event["type"] == kind]


TEXTS = st.text("ab", max_size=5)
CUTS = st.lists(st.integers(1, 4), max_size=3)


@settings(deadline=None)
@given(before=st.tuples(TEXTS, TEXTS), after=st.tuples(TEXTS, TEXTS), cuts=st.tuples(CUTS, CUTS), rescued=st.booleans())
def test_what_is_said_last_is_what_is_kept(
    rows: Rows, before: tuple[str, str], after: tuple[str, str], cuts: tuple[list[int], list[int]], rescued: bool
) -> None:
    """Whatever was said before, by the same attempt or one that died, and however both were cut."""
    claim = rows.claim()
    recording = rows.record(claim)
    recording.begin()
    section = Section(recording, 0)
    say(section, pieces(*before, cuts[0]), recording)
    if rescued:
        recording.batch()
        recording = rows.record(rows.rescue(claim), frames_of(recording))
        recording.begin()
        section = Section(recording, 0)
    else:
        section.restart()
    say(section, pieces(*after, cuts[1]), recording)
    items = finished(section)

    expected = {"reasoning": after[0], "message": after[1]}
    assert text_by_type(items) == {kind: text for kind, text in expected.items() if text or kind == "message"}
    # A run that has no words does not take away what an earlier one said.
    if after[1] or (not before[1] and (after[0] or not before[0])):
        assert fold(events_of(recording))["output"] == [item for item in items if item["content"][0]["text"]]
    goes_on = after[0] == before[0] and after[1].startswith(before[1]) if before[1] else after[0].startswith(before[0])
    closed = [item["status"] for item in told(recording, events.ITEM_DONE)]
    assert ("incomplete" in closed) == (not goes_on)
    assert len({item["id"] for item in told(recording, events.ITEM_ADDED)}) == len(closed)
    if goes_on:
        assert not any("replaces" in item["penstock"] for item in told(recording, events.ITEM_ADDED))


@pytest.mark.parametrize("place", range(6))
def test_a_mismatch_at_any_place_begins_a_new_item(rows: Rows, place: int) -> None:
    recording = rows.record(rows.claim())
    section = Section(recording, 0)
    section.write(Kind.TEXT, "abcdef")
    section.restart()
    other = "abcdef"[:place] + "X" + "abcdef"[place + 1 :]
    for letter in other + "ghi":
        section.write(Kind.TEXT, letter)
    finished(section)
    old, new = told(recording, events.ITEM_DONE)
    assert (old["status"], old["content"][0]["text"]) == ("incomplete", "abcdef")
    assert (new["status"], new["content"][0]["text"]) == ("completed", other + "ghi")
    assert new["penstock"] == {"section": 0, "replaces": old["id"]}


def test_a_repetition_is_not_written_twice(rows: Rows) -> None:
    recording = rows.record(rows.claim())
    section = Section(recording, 0)
    said: Said = [(Kind.REASONING, "why"), (Kind.TEXT, "because")]
    say(section, said, recording)
    seen = frames_of(recording)
    for _ in range(3):
        section.restart()
        say(section, [(kind, letter) for kind, text in said for letter in text], recording)
        assert frames_of(recording)[: len(seen)] == seen
    section.write(Kind.TEXT, "!")
    assert text_by_type(finished(section)) == {"reasoning": "why", "message": "because!"}
    deltas = [event["delta"] for event in events_of(recording) if event["type"] == events.TEXT_DELTA]
    assert "".join(deltas) == "because!"


def test_runs_replace_each_other_in_turn(rows: Rows) -> None:
    recording = rows.record(rows.claim())
    section = Section(recording, 0)
    for text in ("one", "two", "three"):
        section.write(Kind.REASONING, f"think {text}")
        section.write(Kind.TEXT, text)
        section.restart()
    say(section, [(Kind.REASONING, "think three"), (Kind.TEXT, "three")], recording)
    finished(section)
    added = told(recording, events.ITEM_ADDED)
    assert [item["penstock"].get("replaces") for item in added] == [None, None, *(item["id"] for item in added[:4])]
    assert text_by_type(fold(events_of(recording))["output"]) == {"reasoning": "think three", "message": "three"}


def test_an_answer_without_a_word_is_an_answer(rows: Rows) -> None:
    recording = rows.record(rows.claim())
    assert text_by_type(finished(Section(recording, 0))) == {"message": ""}
    assert fold(events_of(recording))["output"] == []


def test_nothing_is_said_to_be_finished_before_it_is_a_checkpoint(rows: Rows) -> None:
    claim = rows.claim()
    recording = rows.record(claim)
    section = Section(recording, 0)
    section.write(Kind.REASONING, "why")
    section.write(Kind.TEXT, "because")

    def checkpoint(items: Any) -> None:
        assert told(recording, events.ITEM_DONE) == []
        rows.attempts.checkpoint(claim, Checkpoint(0, items, None))

    section.finish(checkpoint)
    (kept,) = rows.rescue(claim).checkpoints
    assert list(kept.items) == told(recording, events.ITEM_DONE)
    kinds = [event["type"] for event in events_of(recording)]
    assert kinds.index(events.REASONING_DONE) < kinds.index(events.TEXT_DELTA)  # the thought is over by then
