"""Several jobs' frames in one stream."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from queue import SimpleQueue

from jobs.background import log_error
from web.relay.sse import event_frame

Frames = Generator[bytes, None, None]

_END = event_frame("end", {})


def merged(sources: Mapping[str, Frames]) -> Iterator[bytes]:
    """The pieces of all sources as they come, each behind an event `job` with its name; `end` behind the last of one.

    A source is asked for its next piece when the viewer has taken the last: a slow viewer costs no memory. One that
    fails ends the stream, and the viewer comes again.
    """
    pieces: SimpleQueue[tuple[str, bytes | None]] = SimpleQueue()
    turns = {name: threading.Semaphore(0) for name in sources}
    left = threading.Event()

    def pump(name: str, source: Frames) -> None:
        try:
            with closing(source):
                for piece in source:
                    pieces.put((name, piece))
                    turns[name].acquire()
                    if left.is_set():
                        return
            pieces.put((name, _END))
        except Exception as error:  # noqa: BLE001  (the viewer comes again)
            log_error("live pages", error)
            pieces.put((name, None))

    for name, source in sources.items():
        threading.Thread(target=pump, args=[name, source], name="live pages", daemon=True).start()
    try:
        yield from _taken(pieces, turns)
    finally:
        left.set()
        for turn in turns.values():
            turn.release()


def _taken(pieces: SimpleQueue[tuple[str, bytes | None]], turns: Mapping[str, threading.Semaphore]) -> Iterator[bytes]:
    running = len(turns)
    last = ""
    while running:
        name, piece = pieces.get()
        if piece is None:
            return
        yield piece if name == last else b'event: job\ndata: "%b"\n\n%b' % (name.encode(), piece)
        last = name
        running -= piece is _END
        turns[name].release()
