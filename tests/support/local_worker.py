"""The parts of a worker process inside the test's own, with its publisher; the test's threads run the jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import redis

from jobs.job import Job
from jobs.protocol import events, transcript
from jobs.protocol.fold import fold
from jobs.settings import Settings
from jobs.storage.attempts import Claim
from jobs.transport.event_log import channel
from jobs.transport.queue import Queue
from tests.support.job_factory import OWNER, JobFactory, accepted, sqlite
from tests.support.redis_server import RedisServer
from tests.support.stack import DemoModel
from worker.context import WorkerContext


class LocalWorker:
    """A worker of its own database, with a Redis and the scripted model."""

    def __init__(self, directory: Path, server: RedisServer, model: DemoModel, **settings: Any) -> None:
        self.database_file = directory / "penstock.db"
        self.job_factory = JobFactory(sqlite(directory))
        self.server = server
        self.model = model
        servers = {"redis_url": server.url, "openai_base_url": model.url, "openai_api_key": "demo"}
        loaded = Settings.load(data=directory, **servers, **settings)
        self.context = WorkerContext(loaded, Queue(loaded))
        self.context.publisher.start()

    def accept(self, text: str = "hello") -> Job:
        return self.job_factory.store.accept(OWNER, accepted(input=text, model="demo+rate=0+first=0"))

    def claim(self, job: Job) -> Claim:
        claim = self.context.attempts.claim_one(job.id, self.context.worker)
        assert claim is not None
        return claim

    def stored(self, job: Job) -> dict[str, Any]:
        """The response of an ended job, which is what its transcript tells."""
        row = self.job_factory.get(job.id)
        assert row.response is not None
        frames = [frame for page in transcript.read(self.job_factory.store.transcript(job.id) or b"") for frame in page]
        response: dict[str, Any] = orjson.loads(row.response)
        assert fold(events.events_of(frames)) == response
        return response

    def keys(self, job: Job) -> list[bytes]:
        with redis.Redis.from_url(self.server.url) as client:
            keys: list[bytes] = client.keys(f"{channel(job.id)}*")
            return keys

    def close(self) -> None:
        self.context.publisher.close()
        self.context.redis.close()
        self.context.attempts._database.engine.dispose()
        self.job_factory.database.engine.dispose()
