"""A section that is begun again: in the same items while the model repeats itself, else in new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.protocol import events
from jobs.protocol.fold import fold
from jobs.storage.attempts import Checkpoint
from tests.support.job_factory import JobFactory, events_of, frames_of
from worker.model.chunks import Kind
from worker.publishing.recording import Recording
from worker.writing.section import Section

Said = Sequence[tuple[Kind, str]]
Items = Sequence[Mapping[str, Any]]


def pieces(reasoning: str, text: str, cuts: Sequence[int]) -> Said:
    """An answer in pieces, each of its texts cut at these places."""
    said: list[tuple[Kind, str]] = []
    for kind, whole in ((Kind.REASONING, reasoning), (Kind.TEXT, text)):
        borders = sorted({0, len(whole), *(place for place in cuts if place < len(whole))})
        said += [(kind, whole[begin:end]) for begin, end in zip(borders, borders[1:], strict=False)]
    return said


def say(section: Section, said: Said, recording: Recording) -> None:
    for number, (kind, text) in enumerate(said):
        section.write(kind, text)
        if number % 2:
            recording.batch()  # numbers what is there, as the publisher does at any moment


def finished(section: Section) -> Items:
    """The items that a section commits at its end."""
    items: list[Mapping[str, Any]] = []

    def checkpoint(committed: Items) -> None:
        items.extend(committed)

    section.finish(checkpoint)
    return items


def text_by_type(items: Items) -> dict[str, str]:
    return {item["type"]: "".join(part["text"] for part in item["content"]) for item in items}


def told(recording: Recording, kind: str) -> Items:
    return [event["item"] for event in events_of(recording) if event["type"] == kind]


ANSWERS = st.tuples(st.text("ab", max_size=5), st.text("ab", max_size=5), st.lists(st.integers(1, 4), max_size=3))


@settings(deadline=None)
@given(before=ANSWERS, after=ANSWERS, rescued=st.booleans())
def test_what_is_said_last_is_what_is_kept(
    rows: JobFactory, before: tuple[str, str, list[int]], after: tuple[str, str, list[int]], rescued: bool
) -> None:
    """Whatever was said before, by the same attempt or one that died, and however both were cut."""
    recording = rows.record(rows.claim())
    section = Section(recording, 0)
    say(section, pieces(*before), recording)
    if rescued:
        recording.batch()
        recording = rows.record(rows.rescue(recording.claim), frames_of(recording))
        section = Section(recording, 0)
    section.restart()
    say(section, pieces(*after), recording)
    items = finished(section)

    expected = {"reasoning": after[0], "message": after[1]}
    assert text_by_type(items) == {kind: text for kind, text in expected.items() if text or kind == "message"}
    # A run that has no words does not take away what an earlier one said.
    if after[1] or (not before[1] and (after[0] or not before[0])):
        assert fold(events_of(recording))["output"] == [item for item in items if item["content"][0]["text"]]
    goes_on = after[0] == before[0] and after[1].startswith(before[1]) if before[1] else after[0].startswith(before[0])
    added, done = told(recording, events.ITEM_ADDED), told(recording, events.ITEM_DONE)
    assert all(item["status"] == "completed" for item in done) == goes_on
    assert len({item["id"] for item in added}) == len(added) == len(done)
    assert not goes_on or not any("replaces" in item["penstock"] for item in added)


@pytest.mark.parametrize("place", range(6))
def test_a_mismatch_at_any_place_begins_a_new_item(rows: JobFactory, place: int) -> None:
    recording = rows.record(rows.claim())
    section = Section(recording, 0)
    section.write(Kind.TEXT, "abcdef")
    section.restart("The server " + "had an error " * 99)
    other = "abcdef"[:place] + "X" + "abcdef"[place + 1 :] + "ghi"
    for letter in other:
        section.write(Kind.TEXT, letter)
    finished(section)
    old, new = told(recording, events.ITEM_DONE)
    assert (old["status"], old["content"][0]["text"]) == ("incomplete", "abcdef")
    assert (new["status"], new["content"][0]["text"]) == ("completed", other)
    assert new["penstock"]["replaces"] == old["id"]
    assert new["penstock"]["reason"] == ("The server " + "had an error " * 99)[:200]
    assert not {"replaces", "reason"} & old["penstock"].keys()


@pytest.mark.parametrize("drained", [False, True])
def test_a_new_attempt_says_why_it_replaces_what_it_found(rows: JobFactory, drained: bool) -> None:
    first = rows.record(rows.claim())
    first.begin()
    Section(first, 0).write(Kind.TEXT, "one")
    first.batch()
    if drained:
        assert rows.attempts.give_back(first.claim, first.freeze())
    else:
        rows.requeue(first.claim.job.id)
    second = rows.record(rows.claim(first.claim.job), frames_of(first))
    second.begin()
    Section(second, 0).write(Kind.TEXT, "two")
    old, new = told(second, events.ITEM_ADDED)
    assert new["penstock"]["replaces"] == old["id"]
    assert new["penstock"]["reason"] == ("the worker was stopped" if drained else "the worker was lost")


def test_a_section_that_waits_has_not_started(rows: JobFactory) -> None:
    recording = rows.record(rows.claim())
    section = Section(recording, 3, title="Rain")
    section.open()
    section.open()
    (added,) = told(recording, events.ITEM_ADDED)
    assert added["penstock"] == {"section": 3, "title": "Rain"}
    section.write(Kind.REASONING, "hm")
    section.write(Kind.TEXT, "wet")
    finished(section)
    done = told(recording, events.ITEM_DONE)
    assert [set(item["penstock"]) for item in done] == [{"section", "title", "started", "ended"}] * 2
    assert fold(events_of(recording))["output"] == sorted(done, key=lambda item: item["type"])


def test_a_repetition_is_not_written_twice(rows: JobFactory) -> None:
    recording = rows.record(rows.claim())
    section = Section(recording, 0)
    say(section, pieces("why", "because", []), recording)
    seen = frames_of(recording)
    for _ in range(3):
        section.restart()
        say(section, pieces("why", "because", range(9)), recording)
    assert frames_of(recording)[: len(seen)] == seen
    section.write(Kind.TEXT, "!")
    assert text_by_type(finished(section)) == {"reasoning": "why", "message": "because!"}


def test_runs_replace_each_other_in_turn(rows: JobFactory) -> None:
    recording = rows.record(rows.claim())
    section = Section(recording, 0)
    for text in ("one", "two", "three", "three"):
        section.restart()
        say(section, pieces(f"think {text}", text, []), recording)
    finished(section)
    added = told(recording, events.ITEM_ADDED)
    assert [item["penstock"].get("replaces") for item in added] == [None, None, *(item["id"] for item in added[:4])]
    assert text_by_type(fold(events_of(recording))["output"]) == {"reasoning": "think three", "message": "three"}


def test_nothing_is_said_to_be_finished_before_it_is_a_checkpoint(rows: JobFactory) -> None:
    recording = rows.record(rows.claim())
    section = Section(recording, 0)
    say(section, pieces("why", "because", []), recording)

    def checkpoint(items: Items) -> None:
        assert told(recording, events.ITEM_DONE) == []
        rows.attempts.checkpoint(recording.claim, Checkpoint(0, items, None))

    section.finish(checkpoint)
    (kept,) = rows.rescue(recording.claim).checkpoints
    assert list(kept.items) == told(recording, events.ITEM_DONE)
    kinds = [event["type"] for event in events_of(recording)]
    assert kinds.index(events.REASONING_DONE) < kinds.index(events.TEXT_DELTA)  # the thought is over by then
