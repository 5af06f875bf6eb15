"""What one process counts and measures, in instruments of prometheus_client.

Labels have few values, all of our own choosing: a status, a kind, the name of a server in the settings. Nothing that a
user or a model has written becomes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Upper bounds of the histograms' buckets, in seconds.
_WAITS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# Why a job is incomplete or has failed; another word, which may be a provider's, counts as "other".
_REASONS = frozenset(
    {
        "cancelled",
        "stopped",
        "max_output_tokens",
        "content_filter",
        "section_failed",
        "server_error",
        "rate_limit_exceeded",
    }
)


class Metrics:
    """The instruments of one process; `process` is what it is, `web` or `worker`."""

    def __init__(self, process: str) -> None:
        registry = CollectorRegistry()
        self.registry, self._process = registry, process

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"penstock_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"penstock_{name}_seconds", text, labels, buckets=bounds, registry=registry)

        self.jobs_accepted = counter("jobs_accepted", "Jobs that were stored for a create.")
        self.jobs_ended = counter("jobs_ended", "Jobs that have ended, by status and why.", "status", "reason")
        self.tokens = counter("tokens", "Tokens of ended jobs, as model servers count them.", "direction")
        self.first_token = histogram("first_token", "From a job's accept to its first text.", _WAITS)
        self.queue_wait = histogram("queue_wait", "From a job's accept to its first claim.", _WAITS)
        self.job = histogram("job", "From a job's accept to its end.", _WAITS)
        self.restarts = counter("restarts", "Items begun again in the same stream, by why.", "cause")
        self.rescues = counter("rescues", "Jobs given a new attempt after a worker or an attempt was lost.")
        self.model_calls = Gauge(
            "penstock_model_calls", "Calls to model servers that are open: running streams.", registry=registry
        )
        self.model_first_token = histogram(
            "model_first_token", "From a model call to its first text.", _WAITS, "server"
        )
        self.model_errors = counter("model_errors", "Failed calls to model servers.", "server", "kind")
        self.publish_lag = histogram("publish_lag", "From the model's text to the log, of watched jobs.", _LAGS)
        self.relay_lag = histogram("relay_lag", "From a message of the log to a viewer's connection.", _LAGS)
        self.viewers = Gauge("penstock_viewers", "Open streams to viewers.", registry=registry)
        self.slow_viewers = Gauge(
            "penstock_slow_viewers", "Viewers who have not taken what was sent to them for a second.", registry=registry
        )
        self.requests = counter("http_requests", "Answered requests, by class of status.", "status")
        self.request = histogram("http_request", "From a request's head to its answer's head.", _LAGS)
        self._redis_errors = counter("redis_errors", "Failed calls to Redis.", "process", "kind")
        self._database_errors = counter("database_errors", "Failed database calls.", "process", "kind")
        self._processes = Gauge("penstock_processes", "Processes that tell of themselves.", ["kind"], registry=registry)
        self._begin()

    def _begin(self) -> None:
        """Show this process, and what has not happened yet: Prometheus sees no increase where a series begins."""
        self._processes.labels(self._process).set(1)
        for labels in (("completed", ""), ("cancelled", "cancelled"), ("failed", "server_error")):
            self.jobs_ended.labels(*labels)
        known = {
            self.tokens: ("input", "output"),
            self.restarts: ("model", "attempt"),
            self.requests: ("2xx", "4xx", "5xx"),
        }
        for counter, values in known.items():
            for value in values:
                counter.labels(value)
        for kind in ("ConnectionError", "TimeoutError"):
            self._redis_errors.labels(self._process, kind)
        self._database_errors.labels(self._process, "OperationalError")

    def answered(self, status: int, seconds: float) -> None:
        """A request is answered; its head was there so many seconds ago."""
        self.requests.labels(f"{status // 100}xx").inc()
        self.request.observe(seconds)

    def job_ended(self, final: Mapping[str, Any]) -> None:
        """A job has ended with this terminal response."""
        reason = (final["error"] or {}).get("code") or (final["incomplete_details"] or {}).get("reason") or ""
        self.jobs_ended.labels(final["status"], reason if not reason or reason in _REASONS else "other").inc()
        if usage := final["usage"]:
            self.tokens.labels("input").inc(usage["input_tokens"])
            self.tokens.labels("output").inc(usage["output_tokens"])
        timing = final["penstock"].get("timing", {})
        times = (("queued", self.queue_wait), ("first_token", self.first_token), ("total", self.job))
        for name, instrument in times:
            if (seconds := timing.get(name)) is not None:
                instrument.observe(seconds)

    def redis_failed(self, error: Exception) -> None:
        """A call to Redis failed."""
        self._redis_errors.labels(self._process, type(error).__name__).inc()

    def database_failed(self, error: Exception) -> None:
        """A call to the database failed."""
        self._database_errors.labels(self._process, type(error).__name__).inc()
