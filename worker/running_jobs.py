"""The jobs that this process runs at this moment, and how to reach them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from jobs.storage.attempts import Claim, Held
from worker.model.cancellation import Cancellation, Reason


class RunningJobs:
    """Every running job's attempt and Stop, by job id."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[int, Cancellation]] = {}
        self._draining = False
        self._changed = threading.Condition()

    @contextmanager
    def job(self, claim: Claim) -> Iterator[Cancellation]:
        """A job is running for as long as this lasts."""
        stop = Cancellation()
        with self._changed:
            _, displaced = self._jobs.get(claim.job.id, (0, None))
            self._jobs[claim.job.id] = (claim.attempt, stop)
            draining = self._draining
        if displaced is not None:
            displaced.request(Reason.REPLACED)  # an earlier attempt of this very process
        if draining:
            stop.request(Reason.DRAIN)
        try:
            yield stop
        finally:
            with self._changed:
                if self._jobs.get(claim.job.id) == (claim.attempt, stop):
                    del self._jobs[claim.job.id]
                self._changed.notify_all()

    def stop_unwanted(self, held: Callable[[], Mapping[str, Held]]) -> set[tuple[str, int]]:
        """Stop the jobs that are to be cancelled, and those that another attempt has by now.

        `held()` asks the database what this worker has. Returns the jobs and attempts that the database says are
        here, and that are not.
        """
        running = list(self._jobs.items())  # noted first: whatever is claimed while we ask is not judged
        rows = held()
        for job_id, (attempt, stop) in running:
            row = rows.get(job_id)
            if row is None or row.attempt != attempt:
                stop.request(Reason.REPLACED)
            elif row.cancel:
                stop.request(Reason.CANCEL, since=row.cancel)
            elif row.stop:
                stop.wind_down()
        return {(job_id, row.attempt) for job_id, row in rows.items() if job_id not in self._jobs}

    def check_silence(self, now: float) -> None:
        """Shut the calls to models that have been silent for too long; `now` is monotonic."""
        for _, stop in list(self._jobs.values()):
            stop.check_silence(now)

    def drain(self, seconds: float) -> None:
        """Let the jobs go on for so long, then stop those that are left: another worker takes them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._jobs, seconds)
            self._draining = True
            left = list(self._jobs.values())
        for _, stop in left:
            stop.request(Reason.DRAIN)

    def __len__(self) -> int:
        return len(self._jobs)
