"""Jobs in a database and what workers do with them, by the product's own parts: accepted, claimed, rescued."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jobs.job import Job, Status
from jobs.protocol import events
from jobs.protocol.fold import text_of
from jobs.protocol.response import ended
from jobs.requests import generation as creation
from jobs.requests.job_request import JobRequest
from jobs.requests.prompt_folder import Prompts
from jobs.settings import Settings
from jobs.storage.attempts import AttemptStore, Claim, Finish
from jobs.storage.database import Database
from jobs.storage.store import Store
from jobs.storage.versions.migrate import upgrade
from worker.publishing.event_writer import EventWriter
from worker.publishing.frame_buffer import FrameBuffer

OWNER = "owner"


def sqlite(directory: Path) -> Database:
    """A new database of today's version."""
    settings = Settings.load(data=directory)
    upgrade(settings)
    return Database(settings.database)


def accepted(**body: Any) -> JobRequest:
    """What a job keeps of a request for this body."""
    create = creation.parse(json.dumps({"input": "hello", "background": True, **body}).encode())
    return JobRequest.from_create(create, Prompts(None), default_model="demo", allowed=[])


class JobFactory:
    """The jobs of one database. Each job has a worker of its own, named like the job."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = Store(database)
        self.attempts = AttemptStore(database)

    def accept(self, owner: str = OWNER) -> Job:
        return self.store.accept(owner, accepted())

    def get(self, job_id: str) -> Job:
        return self.store.get(OWNER, job_id)

    def claim(self, job: Job | None = None) -> Claim:
        """The next attempt at a queued job, by default a new one."""
        job = job or self.accept()
        claim = self.attempts.claim_one(job.id, job.id)
        assert claim is not None
        return claim

    def requeue(self, job_id: str) -> None:
        """The job's worker is dead."""
        assert self.attempts.requeue_orphans(job_id) == 1

    def rescue(self, claim: Claim) -> Claim:
        """The attempt after one whose worker died."""
        self.requeue(claim.job.id)
        return self.claim(claim.job)

    def writer(
        self, claim: Claim, history: Sequence[bytes] = (), wake: Callable[[str], None] = lambda _: None
    ) -> EventWriter:
        """The writer of an attempt, which reserves its numbers in the row."""

        def reserve(seq_mark: int, index_mark: int, *, needed: bool) -> bool:  # noqa: ARG001
            self.attempts.reserve(claim, seq_mark, index_mark)
            return True

        return EventWriter(
            FrameBuffer(claim, None if claim.attempt > 1 and not history else list(history), reserve=reserve, wake=wake)
        )

    def finish(
        self, claim: Claim, status: Status = Status.COMPLETED, writer: EventWriter | None = None, **ending: Any
    ) -> Finish:
        """End a job with what was written; the answer of the database. `ending` is what its response tells beside."""
        writer = writer or self.writer(claim)
        base = writer.buffer.snapshot()
        final = ended(base, status, now=time.time(), text=text_of(base), **ending)
        return self.attempts.finish(writer.note(), final, writer.buffer.closing(final)[1])


def frames_of(writer: EventWriter) -> list[bytes]:
    """All that an attempt has numbered so far."""
    return [frame for page in writer.buffer.pages()[1] for _, frame in page]


def events_of(writer: EventWriter) -> list[events.Event]:
    """The same, parsed."""
    return list(events.events_of(frames_of(writer)))
