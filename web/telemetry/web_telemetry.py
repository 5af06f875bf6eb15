"""The metrics of one web process."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import redis
from flask import Response
from sqlalchemy import Engine

from jobs.job import Job, Status
from jobs.telemetry.failures import count_database_failures, count_redis_failures
from jobs.telemetry.logs import add_log_ids
from jobs.telemetry.metrics import Metrics
from jobs.telemetry.totals import Pusher, Totals, read_totals
from web.telemetry.streams import OpenWrites


class Telemetry:
    """What one web process counts, and the totals of all processes."""

    def __init__(self, client: redis.Redis, engine: Engine) -> None:
        """Begins to add to the totals."""
        self.metrics = Metrics("web")
        self._redis = client
        self._pusher = Pusher(client, self.metrics.registry, f"{socket.gethostname()}-{os.getpid()}")
        self._writes = OpenWrites()
        self.metrics.viewers.set_function(lambda: len(self._writes))
        self.metrics.slow_viewers.set_function(self._writes.slow)
        count_redis_failures(client, self.metrics.redis_failed)
        count_database_failures(engine, self.metrics.database_failed)
        self._pusher.start()

    def close(self) -> None:
        """Add the last, if Redis takes it."""
        with suppress(redis.RedisError):
            self._pusher.close()

    def totals(self) -> Totals:
        """What all processes have counted, this one up to now. Raises RedisError."""
        self._pusher.push()
        return read_totals(self._redis)

    def watch(self, response: Response) -> None:
        """A response is about to be written: a stream to a viewer, if it is one."""
        if response.is_streamed and response.mimetype == "text/event-stream":
            response.response = self._writes.watched(response.response)  # type: ignore[arg-type]

    def accepted(self, job: Job) -> None:
        """A create has been answered with this job."""
        self.metrics.jobs_accepted.inc()
        add_log_ids(job=job.id)

    def cancelled(self, job: Job, began: float) -> None:
        """A cancel that began then (Unix s) has left the job so; one that never ran has been ended by it."""
        if job.status is Status.CANCELLED and job.attempt == 0 and (job.ended_at or 0.0) >= began:
            self.metrics.jobs_ended.labels(job.status, "").inc()
