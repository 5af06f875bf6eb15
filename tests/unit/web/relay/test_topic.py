"""The buffer of a followed job: what it gives to a viewer, and when it sends a viewer to the log."""

from __future__ import annotations

import pytest

from web.relay import topic as topics
from web.relay.batch import Batch
from web.relay.topic import Topic


def frames(first: int, last: int) -> bytes:
    return b"".join(b"data: %d\n\n" % number for number in range(first, last + 1))


@pytest.fixture
def topic() -> Topic:
    return Topic("resp_1")


def test_messages_that_follow_each_other_are_one_run(topic: Topic) -> None:
    topic.add(2, frames(2, 3))
    topic.add(4, frames(4, 4))
    assert topic.after(1) == Batch(2, 4, frames(2, 4))
    assert topic.after(3) == Batch(4, 4, frames(4, 4))
    assert topic.rescans == 0


def test_a_gap_in_the_channel_sends_viewers_to_the_log(topic: Topic) -> None:
    topic.add(2, frames(2, 3))
    topic.add(6, frames(6, 7))
    assert topic.rescans == 1
    assert topic.after(3) is None
    assert topic.has_passed(3)
    assert topic.after(5) == Batch(6, 7, frames(6, 7))
    assert not topic.has_passed(5)


def test_an_old_message_changes_nothing(topic: Topic) -> None:
    topic.add(2, frames(2, 5))
    version = topic.version
    topic.add(2, frames(2, 3))
    assert (topic.version, topic.rescans) == (version, 0)
    assert topic.after(1) == Batch(2, 5, frames(2, 5))


def test_a_message_that_repeats_and_goes_on_is_a_gap(topic: Topic) -> None:
    topic.add(2, frames(2, 4))
    topic.add(3, frames(3, 6))
    assert topic.rescans == 1
    assert topic.after(1) is None
    assert topic.has_passed(1)


def test_nothing_is_given_from_behind_the_buffer(topic: Topic) -> None:
    assert topic.after(-1) is None
    assert not topic.has_passed(-1)
    topic.add(5, frames(5, 6))
    assert topic.after(3) is None
    assert topic.has_passed(3)
    assert topic.after(6) is None
    assert not topic.has_passed(6)


def test_the_buffer_is_bounded(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "BUFFER_BYTES", 30)
    for number in range(2, 12):
        topic.add(number, frames(number, number))
    assert topic.after(1) is None
    assert topic.has_passed(1)
    newest = topic.after(9)
    assert newest == Batch(10, 11, frames(10, 11))
