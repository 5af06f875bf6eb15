"""Each request's id, its line in the log, its span, and its share of the metrics."""

from __future__ import annotations

import logging
import secrets
import time
from typing import TYPE_CHECKING

from flask import Response, g, request

from jobs.telemetry.logs import add_log_ids, begin_log_ids
from jobs.telemetry.metrics import Metrics
from jobs.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from opentelemetry.trace import Span

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


def traced_request(tracing: Tracing) -> Span | None:
    """The span of this request, which begins with it; None without tracing.

    Of the trace that the client names; else of that of the job whose stream it is; else of one of its own.
    """
    if "span" not in g:
        parent = request.headers.get("traceparent") or g.get("traceparent")
        began = time.time() - (time.monotonic() - g.began)
        g.span = tracing.start(f"{request.method} {_route()}", "server", parent=parent, began=began)
    span: Span | None = g.span
    return span


def _route() -> str:
    """The route, not the path: a path may be any text, and a query is what somebody looks for."""
    return request.url_rule.rule if request.url_rule else "none"


def end_request(response: Response, metrics: Metrics, tracing: Tracing) -> None:
    """Its answer begins; the log has a line about it when the last byte is out."""
    began, request_id = g.began, g.request_id
    metrics.answered(response.status_code, time.monotonic() - began)
    response.headers["x-request-id"] = request_id
    line = f"{request.method} {_route()} {response.status_code}"
    is_dull = request.endpoint in _DULL_ENDPOINTS
    level = logging.DEBUG if is_dull else logging.INFO
    if response.status_code >= 500:
        level = logging.WARNING

    span = None if is_dull else traced_request(tracing)

    def end() -> None:
        _log.log(level, line, extra={"fields": {"seconds": round(time.monotonic() - began, 3)}})
        if span is not None:
            span.set_attributes({"http.response.status_code": response.status_code, "penstock.request": request_id})
            span.end()

    response.call_on_close(end)
