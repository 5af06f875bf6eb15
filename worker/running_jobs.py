"""The jobs that this process runs at this moment, and how to reach them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from jobs.storage.attempts import Claim, Held
from worker.attempt_state import Reason
from worker.model.cancellation import Cancellation
from worker.publishing.event_writer import EventWriter


@dataclass(eq=False, slots=True)
class RunningJob:
    """One attempt that runs here; its writer once it has one."""

    claim: Claim
    cancellation: Cancellation = field(default_factory=Cancellation)
    writer: EventWriter | None = None


class RunningJobs:
    """Every running job's newest attempt, by job id."""

    def __init__(self) -> None:
        self._jobs: dict[str, RunningJob] = {}
        self._draining = False
        self._changed = threading.Condition()

    @contextmanager
    def job(self, claim: Claim) -> Iterator[RunningJob]:
        """A job is running for as long as this lasts."""
        job_id = claim.job.id
        running = RunningJob(claim)
        with self._changed:
            displaced = self._jobs.get(job_id)
            self._jobs[job_id] = running
            draining = self._draining
        if displaced is not None:
            displaced.cancellation.request(Reason.REPLACED)  # an earlier attempt of this very process
        if draining:
            running.cancellation.request(Reason.DRAIN)
        try:
            yield running
        finally:
            with self._changed:
                if self._jobs.get(job_id) is running:
                    del self._jobs[job_id]
                self._changed.notify_all()

    def writers(self) -> list[EventWriter]:
        """The writers of all that runs."""
        return [running.writer for running in self._all() if running.writer is not None]

    def stop_unwanted(self, held: Callable[[], Mapping[str, Held]]) -> set[tuple[str, int]]:
        """Stop the jobs that are to be cancelled, and those that another attempt has by now.

        `held()` asks the database what this worker has. Returns the jobs and attempts that the database says are
        here, and that are not.
        """
        running = self._all()  # noted first: whatever is claimed while we ask is not judged
        rows = held()
        for job in running:
            row = rows.get(job.claim.job.id)
            if row is None or row.attempt != job.claim.attempt:
                job.cancellation.request(Reason.REPLACED)
            elif row.cancel:
                job.cancellation.request(Reason.CANCEL, since=row.cancel)
            elif row.stop:
                job.cancellation.wind_down()
        return {(job_id, row.attempt) for job_id, row in rows.items() if job_id not in self._jobs}

    def check_silence(self, now: float) -> None:
        """Shut the calls to models that have been silent for too long; `now` is monotonic."""
        for running in self._all():
            running.cancellation.check_silence(now)

    def drain(self, seconds: float) -> None:
        """Let the jobs go on for so long, then stop those that are left: another worker takes them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._jobs, seconds)
            self._draining = True
            left = list(self._jobs.values())
        for running in left:
            running.cancellation.request(Reason.DRAIN)

    def _all(self) -> list[RunningJob]:
        with self._changed:
            return list(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)
