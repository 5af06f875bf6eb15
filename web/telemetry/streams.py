"""The streams to viewers that are open in this process, and which of them stand still because nobody reads."""

from __future__ import annotations

import time
from collections.abc import Iterator

# A viewer is slow who has not taken within so many seconds what was sent to it.
SLOW_SECONDS = 1.0


class OpenWrites:
    """Sees each piece of a stream go out: the server asks for the next one when the connection has taken the last."""

    def __init__(self) -> None:
        # Since when a piece is on its way to each open stream, in seconds of the monotonic clock; 0 when none is.
        self._since: dict[object, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def slow(self) -> int:
        """How many viewers do not take what is sent to them."""
        latest = time.monotonic() - SLOW_SECONDS
        return sum(0 < since < latest for since in list(self._since.values()))

    def watched(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces, watched; closing this closes them."""
        stream = object()
        self._since[stream] = 0.0
        try:
            for piece in pieces:
                self._since[stream] = time.monotonic()
                yield piece
                self._since[stream] = 0.0
        finally:
            del self._since[stream]
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
