"""How many jobs are claimed before each one that waits: the claims are made in memory, of the lines' first jobs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from heapq import heapify, heappop, heapreplace
from typing import NamedTuple

from sqlalchemy import Connection

from jobs.storage.queue.claims import Running, RunningLimits
from jobs.storage.queue.lines import Line, all_lines, select_line
from jobs.storage.schema import jobs

# Who has so many before it need not know how many exactly.
MOST = 1_000
# Behind its first job a line is read so many at a time, then twice as many; all lines together so often.
_FIRST_READ = 32
_MOST_READS = 100


class Places(NamedTuple):
    """How many jobs are claimed before each of those whose turn comes first; `are_all` if no other jobs wait."""

    before: Mapping[str, int]
    are_all: bool


def read_places(connection: Connection, limits: RunningLimits) -> Places:
    """The order in which the queued jobs are claimed if no running job ends and none is added.

    Those that may not be begun now (their queue is paused, or their model's or owner's limit is reached) are behind
    all others.
    """
    running = Running(connection, limits)
    fronts = [_Front(connection, line, is_held=running.holds(line)) for line in all_lines(connection)]
    turns = [(front.turn(running), number) for number, front in enumerate(fronts)]
    heapify(turns)
    before: dict[str, int] = {}
    reads = 0
    while turns and len(before) < MOST and reads < _MOST_READS:
        turn, number = turns[0]
        front = fronts[number]
        reads += front.read()
        if front.is_empty:
            heappop(turns)
        elif (now := front.turn(running)) > turn:  # another line of its owner was served, or its next job is younger
            heapreplace(turns, (now, number))
        else:
            before[front.take()] = len(before)
            running.owners[front.owner] += 1
            heapreplace(turns, (front.turn(running), number))
    return Places(before, are_all=not turns)


class _Front:
    """The first jobs of a line that are not claimed yet, as far as they are read."""

    def __init__(self, connection: Connection, line: Line, *, is_held: bool) -> None:
        self._connection = connection
        self._line = line
        self._is_held = is_held
        self._jobs = deque([(line.first_id, line.oldest_at)])
        self._read = 1
        self._oldest_at = line.oldest_at

    @property
    def owner(self) -> str:
        """Whose jobs these are."""
        return self._line.owner

    @property
    def is_empty(self) -> bool:
        """Whether nobody is left in what was read."""
        return not self._jobs

    def turn(self, running: Running) -> tuple[bool, int, int, float]:
        """When the line is served, the least first; too early, but never too late, where its next job is not read."""
        return self._is_held, *running.turn_of(self._line._replace(oldest_at=self._oldest_at))

    def read(self) -> bool:
        """Read more of the line if nobody is left in what was read; whether that took a query."""
        if self._jobs:
            return False
        query = select_line(self._line).add_columns(jobs.c.created_at)
        rows = self._connection.execute(query.offset(self._read).limit(max(_FIRST_READ, self._read)))
        self._jobs.extend((job_id, created_at) for job_id, created_at in rows)
        self._read += len(self._jobs)
        if self._jobs:
            self._oldest_at = self._jobs[0][1]
        return True

    def take(self) -> str:
        """The id of the first job, which is claimed now."""
        job_id, _created_at = self._jobs.popleft()
        if self._jobs:
            self._oldest_at = self._jobs[0][1]
        return job_id
