"""Each request's id, its line in the log, and its share of the metrics."""

from __future__ import annotations

import logging
import secrets
import time

from flask import Response, g, request

from jobs.telemetry.logs import add_log_ids, begin_log_ids
from jobs.telemetry.metrics import Metrics

# Asked by machines all day long.
_DULL_ENDPOINTS = frozenset({"health.healthz", "health.readyz", "metrics.show", "static"})

_log = logging.getLogger(__name__)


def begin_request() -> None:
    """A request has come; what is logged from here on is about it."""
    g.began = time.monotonic()
    g.request_id = f"req_{secrets.token_hex(12)}"
    begin_log_ids(request=g.request_id)
    if job_id := (request.view_args or {}).get("job_id"):
        add_log_ids(job=job_id)


def end_request(response: Response, metrics: Metrics) -> None:
    """Its answer begins; the log has a line about it when the last byte is out."""
    began = g.began
    metrics.answered(response.status_code, time.monotonic() - began)
    response.headers["x-request-id"] = g.request_id
    # The route, not the path: a path may be any text, and a query is what somebody looks for.
    route = request.url_rule.rule if request.url_rule else "none"
    line = f"{request.method} {route} {response.status_code}"
    level = logging.DEBUG if request.endpoint in _DULL_ENDPOINTS else logging.INFO
    if response.status_code >= 500:
        level = logging.WARNING

    def log() -> None:
        _log.log(level, line, extra={"fields": {"seconds": round(time.monotonic() - began, 3)}})

    response.call_on_close(log)
