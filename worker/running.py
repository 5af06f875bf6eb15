"""The jobs that this process runs at this moment, and how to reach them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from jobs.attempts import Claim
from worker.stop import Reason, Stop


class Running:
    """Every running job's Stop, by job id."""

    def __init__(self) -> None:
        self._stops: dict[str, Stop] = {}
        self._draining = False
        self._changed = threading.Condition()

    @contextmanager
    def job(self, claim: Claim) -> Iterator[Stop]:
        """A job is running for as long as this lasts."""
        stop = Stop()
        with self._changed:
            self._stops[claim.job.id] = stop
            draining = self._draining
        if draining:
            stop.request(Reason.DRAIN)
        try:
            yield stop
        finally:
            with self._changed:
                if self._stops.get(claim.job.id) is stop:
                    del self._stops[claim.job.id]
                self._changed.notify_all()

    def cancel(self, job_ids: Iterable[str]) -> None:
        """Stop those of these jobs that run here."""
        for job_id in job_ids:
            if stop := self._stops.get(job_id):
                stop.request(Reason.CANCEL)

    def check_silence(self, now: float) -> None:
        """Shut the calls to models that have been silent for too long; `now` is monotonic."""
        for stop in list(self._stops.values()):
            stop.check_silence(now)

    def drain(self, seconds: float) -> None:
        """Let the jobs go on for so long, then stop those that are left: another worker takes them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._stops, seconds)
            self._draining = True
            left = list(self._stops.values())
        for stop in left:
            stop.request(Reason.DRAIN)

    def __len__(self) -> int:
        return len(self._stops)
