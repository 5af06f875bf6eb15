"""What a worker process tells of itself; the one place where it counts and measures."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import redis
from sqlalchemy import Engine

from jobs.settings import Settings
from jobs.storage.attempts import Claim
from jobs.telemetry.failures import count_database_failures, count_redis_failures
from jobs.telemetry.logs import log_ids
from jobs.telemetry.metrics import Metrics
from jobs.telemetry.totals import Pusher
from jobs.telemetry.tracing import Tracing
from worker.model.cancellation import Call
from worker.model.errors import ModelError

_log = logging.getLogger(__name__)


class Telemetry:
    """The metrics of one worker process, added to those of all, and its traces."""

    def __init__(self, settings: Settings, worker: str, client: redis.Redis, engine: Engine) -> None:
        self._settings = settings
        self.metrics = Metrics("worker")
        self._tracing = Tracing(settings.otlp_url, "penstock-worker", worker)
        self._pusher = Pusher(client, self.metrics.registry, worker)
        count_redis_failures(client, self.metrics.redis_failed)
        count_database_failures(engine, self.metrics.database_failed)

    def start(self) -> None:
        """Begin to tell."""
        self._pusher.start()

    def close(self) -> None:
        """Tell the last, if Redis takes it."""
        with suppress(redis.RedisError):
            self._pusher.close()
        self._tracing.close()

    @contextmanager
    def attempt(self, claim: Claim) -> Iterator[None]:
        """An attempt at a job lasts; what is logged meanwhile is about it."""
        with log_ids(job=claim.job.id, attempt=claim.job.attempt):
            _log.info("attempt begins")
            if claim.job.attempt > 1:
                self.metrics.restarts.labels("attempt").inc()
            with self._traced(claim):
                yield

    def _traced(self, claim: Claim) -> AbstractContextManager[object]:
        """The attempt in its job's trace, and before the first the wait for it."""
        job = claim.job
        parent = job.request.traceparent
        if job.attempt == 1:
            self._tracing.wait("queued", job.created_at, parent=parent)
        ids: dict[str, str | int] = {"penstock.job": job.id, "penstock.attempt": job.attempt}
        return self._tracing.span("attempt", "consumer", parent=parent, **ids)

    def job_ended(self, final: Mapping[str, Any]) -> None:
        """A job has ended with this terminal response."""
        self.metrics.job_ended(final)
        _log.info("job ends: %s", final["status"])

    @contextmanager
    def model_call(self, model: str, call: Call) -> Iterator[None]:
        """A call to a model lasts."""
        began = time.monotonic()
        server = self._server(model)
        with self.metrics.model_calls.track_inprogress(), self._tracing.span("model call", "client", server=server):
            try:
                yield
            finally:
                if call.first_text_at is not None:
                    self.metrics.model_first_token.labels(server).observe(call.first_text_at - began)

    def model_failed(self, model: str, error: ModelError) -> None:
        """A call to a model came to nothing."""
        self.metrics.model_errors.labels(self._server(model), error.kind).inc()

    def _server(self, model: str) -> str:
        """The name of a model's server in the settings: a model's own may be any text."""
        servers = self._settings.servers.items()
        return next((name for name, server in servers if model in server.models), "default")
