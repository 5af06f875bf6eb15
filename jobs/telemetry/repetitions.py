"""Keeps a fault that repeats to one line a minute, with the number of those left out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_SECONDS = 60.0
# Of different faults that are remembered at once; beyond them the oldest is forgotten.
_MOST = 1000


@dataclass(slots=True)
class _Repetition:
    told_at: float
    left_out: int = 0


class RepetitionFilter(logging.Filter):
    """Lets a warning or an error pass once a minute; the next one that passes tells how many did not.

    Those of different jobs are different: each has its ids in `fields`. `clock` is monotonic, in seconds.
    """

    def __init__(
        self, key: Callable[[logging.LogRecord], Hashable], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._key = key
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[Hashable, _Repetition] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written. One that tells of others has their number as `repeated`."""
        if record.levelno < logging.WARNING:
            return True
        key, now = self._key(record), self._clock()
        with self._lock:
            known = self._told.get(key)
            if known and now - known.told_at < _SECONDS:
                known.left_out += 1
                return False
            self._told.pop(key, None)
            self._told[key] = _Repetition(now)
            if len(self._told) > _MOST:
                del self._told[next(iter(self._told))]
        record.repeated = known.left_out if known else 0
        return True
