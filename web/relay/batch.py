"""Frames that are handed on together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobs.protocol import events


@dataclass(frozen=True, slots=True)
class Batch:
    """Joined frames numbered `first` to `last`, without a hole; a message's with the monotonic time when it came."""

    first: int
    last: int
    frames: bytes
    came_at: float | None = field(default=None, compare=False)

    @classmethod
    def of(cls, page: Sequence[tuple[int, bytes]]) -> Batch:
        """From (number, frame) pairs of the log."""
        return cls(page[0][0], page[-1][0], b"".join(frame for _, frame in page))

    def after(self, cursor: int) -> bytes:
        """The frames numbered above `cursor`."""
        if cursor < self.first:
            return self.frames
        return b"".join(events.split(self.frames)[cursor + 1 - self.first :])
