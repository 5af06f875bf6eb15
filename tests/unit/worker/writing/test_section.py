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
from worker.publishing.event_writer import EventWriter
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


def say(section: Section, said: Said, writer: EventWriter) -> None:
    for number, (kind, text) in enumerate(said):
        section.write(kind, text)
        if number % 2:
            writer.buffer.batch()  # numbers what is there, as the publisher does at any moment


def finished(section: Section) -> Items:
    """The items that a section commits at its end."""
    items: list[Mapping[str, Any]] = []

    def checkpoint(committed: Items) -> None:
        items.extend(committed)

    section.finish(checkpoint)
    return items


def text_by_type(items: Items) -> dict[str, str]:
    return {item["type"]: "".join(part["text"] for part in item["content"]) for item in items}


def told(writer: EventWriter, kind: str) -> Items:
    return [event["item"] for event in events_of(writer) if event["type"] == kind]


ANSWERS = st.tuples(st.text("ab", max_size=5), st.text("ab", max_size=5), st.lists(st.integers(1, 4), max_size=3))


@settings(deadline=None)
@given(before=ANSWERS, after=ANSWERS, rescued=st.booleans())
def test_what_is_said_last_is_what_is_kept(
    job_factory: JobFactory, before: tuple[str, str, list[int]], after: tuple[str, str, list[int]], rescued: bool
) -> None:
    """Whatever was said before, by the same attempt or one that died, and however both were cut."""
    writer = job_factory.writer(job_factory.claim())
    section = Section(writer, 0)
    say(section, pieces(*before), writer)
    if rescued:
        writer.buffer.batch()
        writer = job_factory.writer(job_factory.rescue(writer.claim), frames_of(writer))
        section = Section(writer, 0)
    section.restart()
    say(section, pieces(*after), writer)
    items = finished(section)

    expected = {"reasoning": after[0], "message": after[1]}
    assert text_by_type(items) == {kind: text for kind, text in expected.items() if text or kind == "message"}
    # A run that has no words does not take away what an earlier one said.
    if after[1] or (not before[1] and (after[0] or not before[0])):
        assert fold(events_of(writer))["output"] == [item for item in items if item["content"][0]["text"]]
    goes_on = after[0] == before[0] and after[1].startswith(before[1]) if before[1] else after[0].startswith(before[0])
    added, done = told(writer, events.ITEM_ADDED), told(writer, events.ITEM_DONE)
    assert all(item["status"] == "completed" for item in done) == goes_on
    assert len({item["id"] for item in added}) == len(added) == len(done)
    assert not goes_on or not any("replaces" in item["penstock"] for item in added)


@pytest.mark.parametrize("place", range(6))
def test_a_mismatch_at_any_place_begins_a_new_item(job_factory: JobFactory, place: int) -> None:
    writer = job_factory.writer(job_factory.claim())
    section = Section(writer, 0)
    section.write(Kind.TEXT, "abcdef")
    section.restart("The server " + "had an error " * 99)
    other = "abcdef"[:place] + "X" + "abcdef"[place + 1 :] + "ghi"
    for letter in other:
        section.write(Kind.TEXT, letter)
    finished(section)
    old, new = told(writer, events.ITEM_DONE)
    assert (old["status"], old["content"][0]["text"]) == ("incomplete", "abcdef")
    assert (new["status"], new["content"][0]["text"]) == ("completed", other)
    assert new["penstock"]["replaces"] == old["id"]
    assert new["penstock"]["reason"] == ("The server " + "had an error " * 99)[:200]
    assert not {"replaces", "reason"} & old["penstock"].keys()


@pytest.mark.parametrize("drained", [False, True])
def test_a_new_attempt_says_why_it_replaces_what_it_found(job_factory: JobFactory, drained: bool) -> None:
    first = job_factory.writer(job_factory.claim())
    first.begin()
    Section(first, 0).write(Kind.TEXT, "one")
    first.buffer.batch()
    if drained:
        assert job_factory.attempts.give_back(first.claim, first.buffer.freeze())
    else:
        job_factory.requeue(first.claim.job.id)
    second = job_factory.writer(job_factory.claim(first.claim.job), frames_of(first))
    second.begin()
    Section(second, 0).write(Kind.TEXT, "two")
    old, new = told(second, events.ITEM_ADDED)
    assert new["penstock"]["replaces"] == old["id"]
    assert new["penstock"]["reason"] == ("the worker was stopped" if drained else "the worker was lost")


def test_a_section_that_waits_has_not_started(job_factory: JobFactory) -> None:
    writer = job_factory.writer(job_factory.claim())
    section = Section(writer, 3, title="Rain")
    section.open()
    section.open()
    (added,) = told(writer, events.ITEM_ADDED)
    assert added["penstock"] == {"section": 3, "title": "Rain"}
    section.write(Kind.REASONING, "hm")
    section.write(Kind.TEXT, "wet")
    finished(section)
    done = told(writer, events.ITEM_DONE)
    assert [set(item["penstock"]) for item in done] == [{"section", "title", "started", "ended"}] * 2
    assert fold(events_of(writer))["output"] == sorted(done, key=lambda item: item["type"])


def test_a_repetition_is_not_written_twice(job_factory: JobFactory) -> None:
    writer = job_factory.writer(job_factory.claim())
    section = Section(writer, 0)
    say(section, pieces("why", "because", []), writer)
    seen = frames_of(writer)
    for _ in range(3):
        section.restart()
        say(section, pieces("why", "because", range(9)), writer)
    assert frames_of(writer)[: len(seen)] == seen
    section.write(Kind.TEXT, "!")
    assert text_by_type(finished(section)) == {"reasoning": "why", "message": "because!"}


def test_runs_replace_each_other_in_turn(job_factory: JobFactory) -> None:
    writer = job_factory.writer(job_factory.claim())
    section = Section(writer, 0)
    for text in ("one", "two", "three", "three"):
        section.restart()
        say(section, pieces(f"think {text}", text, []), writer)
    finished(section)
    added = told(writer, events.ITEM_ADDED)
    assert [item["penstock"].get("replaces") for item in added] == [None, None, *(item["id"] for item in added[:4])]
    assert text_by_type(fold(events_of(writer))["output"]) == {"reasoning": "think three", "message": "three"}


def test_nothing_is_said_to_be_finished_before_it_is_a_checkpoint(job_factory: JobFactory) -> None:
    writer = job_factory.writer(job_factory.claim())
    section = Section(writer, 0)
    say(section, pieces("why", "because", []), writer)

    def checkpoint(items: Items) -> None:
        assert told(writer, events.ITEM_DONE) == []
        job_factory.attempts.checkpoint(writer.claim, Checkpoint(0, items, None))

    section.finish(checkpoint)
    (kept,) = job_factory.rescue(writer.claim).checkpoints
    assert list(kept.items) == told(writer, events.ITEM_DONE)
    kinds = [event["type"] for event in events_of(writer)]
    assert kinds.index(events.REASONING_DONE) < kinds.index(events.TEXT_DELTA)  # the thought is over by then


# -- refusals, and answers that were reasoning ---------------------------------------------------------------------


def test_a_refusal_is_a_part_of_the_message_that_goes_on_unseen_when_it_is_repeated(job_factory: JobFactory) -> None:
    writer = job_factory.writer(job_factory.claim())
    section = Section(writer, 0)
    for _ in range(2):
        say(
            section,
            [(Kind.REASONING, "hm"), (Kind.TEXT, "Well. "), (Kind.REFUSAL, "I cannot"), (Kind.REFUSAL, ".")],
            writer,
        )
        section.restart("the connection broke")
    say(section, [(Kind.REASONING, "hm"), (Kind.TEXT, "Well. "), (Kind.REFUSAL, "I cannot.")], writer)
    thought, message = finished(section)
    assert [part.get("text") or part["refusal"] for part in message["content"]] == ["Well. ", "I cannot."]
    assert [part["type"] for part in message["content"]] == ["output_text", "refusal"]
    assert thought["content"][0]["text"] == "hm"
    assert len(told(writer, events.ITEM_ADDED)) == 2
    assert fold(events_of(writer))["output"] == [dict(thought), dict(message)]


@pytest.mark.parametrize("before", ["", "why "])
def test_an_answer_that_was_reasoning_is_written_again_as_such(job_factory: JobFactory, before: str) -> None:
    writer = job_factory.writer(job_factory.claim())
    section = Section(writer, 1, title="One")
    section.open()
    say(section, [(Kind.REASONING, before), (Kind.TEXT, "# One\n\n"), (Kind.TEXT, "so")], writer)
    section.retract("# One\n\n")
    say(section, [(Kind.REASONING, " and so"), (Kind.TEXT, "# One\n\n"), (Kind.TEXT, "Yes.")], writer)
    thought, message = finished(section)
    assert (thought["content"][0]["text"], message["content"][0]["text"]) == (f"{before}so and so", "# One\n\nYes.")
    ends = told(writer, events.ITEM_DONE)
    assert [item["status"] for item in ends] == ["incomplete"] * (2 if before else 1) + ["completed"] * 2
    assert {item["id"] for item in ends[:-2]} >= {thought["penstock"]["replaces"], message["penstock"]["replaces"]}
    output = fold(events_of(writer))["output"]
    assert output == [dict(thought), dict(message)]


def test_an_answer_that_is_taken_back_while_it_repeats_itself(job_factory: JobFactory) -> None:
    writer = job_factory.writer(job_factory.claim())
    section = Section(writer, 0)
    say(section, [(Kind.TEXT, "so and so")], writer)
    section.restart("the connection broke")
    section.write(Kind.TEXT, "so")
    section.retract()
    say(section, [(Kind.TEXT, "Yes.")], writer)
    thought, message = finished(section)
    assert (thought["content"][0]["text"], message["content"][0]["text"]) == ("so", "Yes.")
