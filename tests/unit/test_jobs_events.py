"""Frames and the transcript: any text survives, and what is read off the bytes is what was put in."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs import events
from jobs.transcript import TranscriptWriter, read

KINDS = st.sampled_from([events.TEXT_DELTA, events.ITEM_DONE, *sorted(events.TERMINAL)])
TEXTS = st.text() | st.sampled_from(
    [
        "\u2028 \u2029 \u0085 \r\n \r \n\n \x00 \x1c",
        "event: response.completed\ndata: {}\n\n",
        '"sequence_number":99,',
        ": a comment\n\nid: 7\nretry: 0\n\n",
        "🌊翠花",
    ]
)
NUMBERS = st.integers(0, 2**53)


@given(KINDS, NUMBERS, TEXTS)
@example(events.TEXT_DELTA, 0, "\u2028\u0085\r\x00")
def test_a_frame_carries_any_text(kind: str, number: int, text: str) -> None:
    frame = events.frame(kind, number, {"delta": text, "item": {"sequence_number": 5, "text": text}})
    assert events.event_of(frame) == {
        "type": kind,
        "sequence_number": number,
        "delta": text,
        "item": {"sequence_number": 5, "text": text},
    }
    assert events.number_of(frame) == number
    assert events.is_terminal(frame) == (kind in events.TERMINAL)
    # However a reader cuts lines, a frame has two and a blank one.
    head, data, blank = frame.decode().splitlines()
    assert head == f"event: {kind}"
    assert data.startswith('data: {"type":')
    assert blank == ""


@given(st.lists(st.tuples(KINDS, NUMBERS, TEXTS), min_size=1))
def test_joined_frames_come_apart_again(given: list[tuple[str, int, str]]) -> None:
    frames = [events.frame(kind, number, {"delta": text}) for kind, number, text in given]
    assert events.split(b"".join(frames)) == frames
    assert events.is_terminal(b"".join(frames)) == (given[-1][0] in events.TERMINAL)


def test_no_frames_are_no_end() -> None:
    assert events.split(b"") == []
    assert not events.is_terminal(b"")


@given(st.lists(st.tuples(st.integers(1, 9), TEXTS), max_size=20), st.data())
def test_a_transcript_can_be_read_from_anywhere(steps: list[tuple[int, str]], data: st.DataObject) -> None:
    writer, frames, number = TranscriptWriter(), list[bytes](), -1
    for step, text in steps:
        number += step  # numbers may jump
        frames.append(events.frame(events.TEXT_DELTA, number, {"delta": text}))
        writer.add(frames[-1])
        # It can be closed at any moment, with an end or without, and goes on growing.
        end = events.frame(events.COMPLETED, number + 1, {})
        assert zlib.decompress(writer.closed(end)) == b"".join([*frames, end])
        assert zlib.decompress(writer.closed()) == b"".join(frames)
    after = data.draw(st.integers(-1, number + 1))
    left = [frame for page in read(writer.closed(), after) for frame in page]
    assert left == [frame for frame in frames if events.number_of(frame) > after]


@pytest.mark.parametrize("size", [10, 1000, 300_000])
def test_a_long_transcript_comes_in_pages(size: int) -> None:
    writer = TranscriptWriter()
    frames = [
        events.frame(events.TEXT_DELTA, number, {"delta": "翠" * (size // 3)}) for number in range(10_000 // size + 5)
    ]
    writer.add(b"".join(frames))
    pages = list(read(writer.closed(), after=1))
    assert [frame for page in pages for frame in page] == frames[2:]
    assert all(len(b"".join(page)) <= 256 * 1024 + len(frames[0]) for page in pages)
    assert len(pages) > 1 or size < 300_000
