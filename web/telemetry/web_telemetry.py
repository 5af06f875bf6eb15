"""The metrics of one web process."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import redis
from flask import Response, g
from sqlalchemy import Engine

from jobs.job import Job, Status
from jobs.protocol.response import CANCELLED
from jobs.requests.job_request import JobRequest
from jobs.settings import Settings
from jobs.telemetry.failures import count_database_failures, count_redis_failures
from jobs.telemetry.logs import add_log_ids
from jobs.telemetry.metrics import Metrics
from jobs.telemetry.totals import Pusher, Totals, read_totals
from jobs.telemetry.tracing import Tracing, traceparent_of
from web.telemetry.requests import traced_request
from web.telemetry.streams import SLOW_SECONDS, OpenWrites


class Telemetry:
    """What one web process counts, the totals of all processes, and its traces."""

    def __init__(self, settings: Settings, client: redis.Redis, engine: Engine) -> None:
        """Begins to add to the totals."""
        self.metrics = Metrics("web")
        self._redis = client
        process = f"{socket.gethostname()}-{os.getpid()}"
        self._pusher = Pusher(client, self.metrics.registry, process)
        self.tracing = Tracing(settings.otlp_url, "penstock-web", process)
        self._writes = OpenWrites()
        self.metrics.viewers.set_function(lambda: len(self._writes))
        count_redis_failures(client, self.metrics.redis_failed)
        count_database_failures(engine, self.metrics.database_failed)
        self._pusher.start()

    def close(self) -> None:
        """Add the last, if Redis takes it."""
        with suppress(redis.RedisError):
            self._pusher.close()
        self.tracing.close()

    def totals(self) -> Totals:
        """What all processes have counted, this one up to now. Raises RedisError."""
        self._pusher.push()
        return read_totals(self._redis)

    def watch(self, response: Response) -> None:
        """A response is about to be written: a stream to a viewer, if it is one."""
        if response.is_streamed and response.mimetype == "text/event-stream":
            response.response = self._writes.watched(response.response)  # type: ignore[arg-type]

    def traced(self, request: JobRequest) -> JobRequest:
        """The request as a part of the trace of the HTTP request that makes it."""
        traceparent = traceparent_of(traced_request(self.tracing))
        return replace(request, traceparent=traceparent) if traceparent else request

    def follows(self, job: Job) -> None:
        """The answer is a stream of this job: a part of the job's trace, when whoever asks brings none."""
        g.traceparent = job.request.traceparent

    def watch_sockets(self, slow: Callable[[float], int]) -> None:
        """Count also the viewers to whose sockets the relay writes: `slow(seconds)` are those that do not read."""
        self.metrics.slow_viewers.set_function(lambda: self._writes.slow() + slow(SLOW_SECONDS))

    def accepted(self, job: Job) -> None:
        """A create has been answered with this job."""
        self.metrics.jobs_accepted.inc()
        add_log_ids(job=job.id)

    def cancelled(self, job: Job, began: float) -> None:
        """A cancel that began then (Unix s) has left the job so; one that never ran has been ended by it."""
        if job.status is Status.CANCELLED and job.attempt == 0 and (job.ended_at or 0.0) >= began:
            self.metrics.jobs_ended.labels(job.status, CANCELLED).inc()
