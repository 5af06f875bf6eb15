"""`/metrics` for Prometheus: how everything is, in numbers. Every web process says the same."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import redis
from flask import Response, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from jobs.storage.statistics import Statistics
from jobs.telemetry.totals import Totals
from web import auth
from web.context import WebContext
from web.errors import NoAccess


class MetricsPage:
    """The handler of `/metrics`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._statistics = Statistics(context.database)
        self._workers = context.workers

    def show(self) -> Response:
        """The metrics in Prometheus's text format. What is away says so in a metric, and hides no other."""
        self._check_access()
        registry = CollectorRegistry()
        registry.register(_Collector(self._metrics()))
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    def _check_access(self) -> None:
        """Raises NoAccess unless it is this machine's, or an operator, or has the token that is for this alone."""
        context = self._context
        if context.settings.auth == "off":
            return
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        expected = context.settings.metrics_token
        if expected and secrets.compare_digest(token.encode(), expected.encode()):
            return
        owner = auth.credential_of(request, context.settings, context.keys, context.sessions).owner
        if not auth.is_operator(context.settings, owner):
            raise NoAccess(403, "no_operator", "Metrics are for PENSTOCK_METRICS_TOKEN and PENSTOCK_OPERATORS.")

    def _metrics(self) -> list[Metric]:
        database_is_up = redis_is_up = True
        totals = Totals({})
        metrics: list[Metric] = []
        try:
            metrics += self._stored()
        except SQLAlchemyError:
            database_is_up = False
        try:
            totals = self._context.telemetry.totals()
        except redis.RedisError:
            redis_is_up = False
        metrics += totals.filled(self._context.telemetry.metrics.registry)
        metrics.append(_gauge("database_up", "Whether the database answers.", database_is_up))
        metrics.append(_gauge("redis_up", "Whether Redis answers.", redis_is_up))
        return metrics

    def _stored(self) -> list[Metric]:
        """What the database says. Raises SQLAlchemyError."""
        jobs = GaugeMetricFamily("penstock_jobs", "Jobs that wait or run.", labels=["status", "queue"])
        wait = GaugeMetricFamily(
            "penstock_queue_oldest_seconds", "For how long the oldest queued job waits.", labels=["queue"]
        )
        paused = GaugeMetricFamily("penstock_queue_paused", "Whether nothing of a queue is begun.", labels=["queue"])
        now = time.time()
        for queue in self._statistics.queues():
            jobs.add_metric(["queued", queue.name], queue.depth)
            jobs.add_metric(["in_progress", queue.name], queue.running)
            wait.add_metric([queue.name], max(0.0, now - queue.oldest_at) if queue.oldest_at else 0.0)
            paused.add_metric([queue.name], queue.paused_since is not None)
        workers = _gauge("workers", "Workers that give signs of life in the database.", self._workers.living())
        return [jobs, wait, paused, workers]


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"penstock_{name}", text, value=value)


class _Collector:
    """Metrics that are there already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        return iter(self._metrics)
