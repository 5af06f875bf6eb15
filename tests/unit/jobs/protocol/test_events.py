"""Frames and the transcript: any text survives, and what is read off the bytes is what was put in."""

from __future__ import annotations

import zlib

from hypothesis import example, given
from hypothesis import strategies as st

from jobs.protocol import events
from jobs.protocol.transcript import TranscriptWriter, read

KINDS = st.sampled_from([events.TEXT_DELTA, events.ITEM_DONE, *sorted(events.TERMINAL)])
LIKE_A_FRAME = ["event: response.completed\ndata: {}\n\n", '"sequence_number":99,', ": x\n\nid: 7\nretry: 0\n\n"]
TEXTS = st.text() | st.sampled_from(["\u2028 \u2029 \u0085 \r\n \r \n\n \x00 \x1c", "🌊翠花", *LIKE_A_FRAME])


@given(KINDS, st.integers(0, 2**53), TEXTS)
@example(events.TEXT_DELTA, 0, "\u2028\u0085\r\x00")
def test_a_frame_carries_any_text(kind: str, number: int, text: str) -> None:
    fields = {"delta": text, "item": {"sequence_number": 5, "text": text}}
    frame = events.frame(kind, number, fields)
    assert events.event_of(frame) == {"type": kind, "sequence_number": number, **fields}
    assert events.number_of(frame) == number
    assert events.is_terminal(frame) == (kind in events.TERMINAL)
    # However a reader cuts lines, a frame has two and a blank one.
    head, data, blank = frame.decode().splitlines()
    assert (head, data[:14], blank) == (f"event: {kind}", 'data: {"type":', "")


@given(st.lists(st.tuples(KINDS, TEXTS)))
def test_joined_frames_come_apart_again(given: list[tuple[str, str]]) -> None:
    frames = [events.frame(kind, number, {"delta": text}) for number, (kind, text) in enumerate(given)]
    assert events.split(b"".join(frames)) == frames
    assert events.is_terminal(b"".join(frames)) == bool(given and given[-1][0] in events.TERMINAL)


@given(st.lists(st.tuples(st.integers(1, 9), TEXTS), max_size=20), st.integers(-1, 200))
def test_a_transcript_grows_and_can_be_read_from_anywhere(steps: list[tuple[int, str]], after: int) -> None:
    writer, frames, number = TranscriptWriter(), list[bytes](), -1
    for step, text in steps:
        number += step  # numbers may jump
        frames.append(events.frame(events.TEXT_DELTA, number, {"delta": text}))
        writer.add(frames[-1])
        # It can be closed at any moment, with an end or without, and goes on growing.
        end = events.frame(events.COMPLETED, number + 1, {})
        assert zlib.decompress(writer.closed(end)) == b"".join([*frames, end])
    left = [frame for page in read(writer.closed(), after) for frame in page]
    assert left == [frame for frame in frames if events.number_of(frame) > after]


def test_a_long_transcript_comes_in_pages() -> None:
    writer = TranscriptWriter()
    frames = [events.frame(events.TEXT_DELTA, n, {"delta": "翠" * (n % 7) * 20_000}) for n in range(50)]
    writer.add(b"".join(frames))
    pages = list(read(writer.closed(), after=1))
    assert [frame for page in pages for frame in page] == frames[2:]
    assert len(pages) > 1
    assert max(len(b"".join(page)) for page in pages) <= 256 * 1024 + max(map(len, frames))
