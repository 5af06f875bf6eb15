"""The sequence numbers and output indexes that the job's row has reserved for an attempt.

None may be used before: whatever an attempt numbers and then loses, no later attempt numbers again.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from jobs.storage.attempts import BLOCK, INDEX_BLOCK, Claim

# Enough numbers to close every open item.
_MARGIN = 1000
# A try may block while the database is away, and the model's stream must not stand still for each of its tokens.
_PAUSE_SECONDS = 10.0


class Reserve(Protocol):
    """Raises the marks in the row. May fail, and return False, unless they are `needed` now."""

    def __call__(self, seq_mark: int, index_mark: int, *, needed: bool) -> bool: ...


class Marks:
    """No sequence number from `seq_mark` on, and no output index from `index_mark` on, is this attempt's to use."""

    def __init__(self, claim: Claim, next_index: int, reserve: Reserve) -> None:
        self.seq_mark = claim.job.seq_mark
        self.index_mark = claim.job.index_mark
        self._next_index = next_index
        self._reserve = reserve
        self._lock = threading.Lock()
        self._not_before = 0.0

    def keep_ahead_of(self, number: int) -> None:
        """Reserve the next block of numbers long before `number`, the next one, reaches the mark."""
        if self.seq_mark - number > BLOCK // 2:
            return
        with self._lock:
            if self.seq_mark - number <= BLOCK // 2:
                self._raise(number, needed=self.seq_mark - number < _MARGIN)

    def take_index(self, number: int) -> int:
        """The next output index, reserved before it is taken; `number` is the next sequence number."""
        with self._lock:  # one lock for both: two sections that open at once must not share the last index
            while self._next_index >= self.index_mark:
                self._raise(number, needed=True)
            self._next_index += 1
            return self._next_index - 1

    def _raise(self, number: int, *, needed: bool) -> None:
        if not needed and time.monotonic() < self._not_before:
            return
        seq_mark = max(self.seq_mark, number + BLOCK)
        index_mark = max(self.index_mark, self._next_index + INDEX_BLOCK)
        if self._reserve(seq_mark, index_mark, needed=needed):
            self.seq_mark = seq_mark
            self.index_mark = index_mark
        else:
            self._not_before = time.monotonic() + _PAUSE_SECONDS
