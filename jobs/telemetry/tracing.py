"""Traces for OpenTelemetry: spans that are sent to a collector, or nothing at all.

The library is an extra, and is loaded only where a collector is named. A wake-up in the queue carries an id and nothing
else, and any worker may take the job, so a trace goes from the web to the worker in the job's row: as `traceparent`,
in W3C's spelling.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Literal

from jobs.errors import BadSetting

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

Kind = Literal["server", "consumer", "client", "internal"]

_HEADER = "traceparent"
_CLOSE_SECONDS = 2.0


class Tracing:
    """The spans of one process; without a collector every method does nothing."""

    def __init__(self, collector: str, service: str, instance: str) -> None:
        """`collector` takes OTLP over HTTP at this URL. Raises BadSetting when the library is not there."""
        self._provider = _provider(collector, service, instance) if collector else None

    def start(self, name: str, kind: Kind, *, parent: str | None, began: float, **attributes: str | int) -> Span | None:
        """A span that began then (Unix s), below `parent`, a traceparent; without one it begins a trace."""
        if self._provider is None:
            return None
        from opentelemetry.trace import SpanKind  # noqa: PLC0415

        tracer = self._provider.get_tracer("penstock")
        return tracer.start_span(
            name, _context(parent), SpanKind[kind.upper()], attributes=attributes, start_time=int(began * 1e9)
        )

    @contextmanager
    def span(self, name: str, kind: Kind, *, parent: str | None = None, **attributes: str | int) -> Iterator[None]:
        """A span for as long as this lasts, in this thread; below `parent`, else below the one that lasts already."""
        if self._provider is None:
            yield
            return
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415

        tracer = self._provider.get_tracer("penstock")
        context = _context(parent) if parent else None
        with tracer.start_as_current_span(
            name,
            context,
            SpanKind[kind.upper()],
            attributes=attributes,
            record_exception=False,  # its words may quote a prompt
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise

    def wait(self, name: str, began: float, *, parent: str | None) -> None:
        """A span from then (Unix s) to now, that nobody could open."""
        span = self.start(name, "internal", parent=parent, began=began)
        if span is not None:
            span.end(int(time.time() * 1e9))

    def close(self) -> None:
        """Send what is not sent yet, if the collector takes it within 2 s."""
        if self._provider is None:
            return
        # A silent collector would hold up the end of this process for 18 s.
        shutdown = Thread(target=self._provider.shutdown, name="tracing-shutdown", daemon=True)
        shutdown.start()
        shutdown.join(_CLOSE_SECONDS)


def traceparent_of(span: Span | None) -> str | None:
    """What a span is called where the trace goes on elsewhere."""
    if span is None:
        return None
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _context(parent: str | None) -> Context:
    """Where a span belongs; what makes no sense begins a trace of its own."""
    from opentelemetry.context import Context  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    return TraceContextTextMapPropagator().extract({_HEADER: parent} if parent else {}, Context())


def _provider(collector: str, service: str, instance: str) -> TracerProvider:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise BadSetting("PENSTOCK_OTLP_URL needs the extra: pip install 'penstock[otel]'") from error
    # While the collector is away, a line for each batch that is given up is enough, without one for each try.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    resource = Resource.create({"service.name": service, "service.instance.id": instance})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{collector}/v1/traces")))
    return provider
