"""Programs that look on: a collector of traces, with one trace from a create to the last byte, and Flower."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from jobs.errors import BadSetting
from jobs.settings import Settings
from jobs.telemetry.tracing import Tracing
from tests.support.assertions import follow
from tests.support.process import Process
from tests.support.redis_group import free_port
from tests.support.stack import START_SECONDS, Stack, running_stack, wait_for
from tests.support.up import ROOT, clean_environment
from tests.support.wire import create, fetch, raw_stream

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
MARKER = "Xanadu4711"


class Collector:
    """Takes spans as OpenTelemetry's own collector does, and keeps them."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        keep = self._keep

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                keep(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _keep(self, body: bytes) -> None:
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = {one.key: one.value.string_value for one in sent.resource.attributes}
            self.services.add(attributes["service.name"])
            self.spans += [span for scope in sent.scope_spans for span in scope.spans]

    def named(self, name: str, trace: str) -> list[Any]:
        return [span for span in self.spans if span.name == name and span.trace_id.hex() == trace]

    def one(self, name: str, trace: str = TRACE) -> Any:
        """The span of this name, as soon as it has come."""
        (span,) = wait_for(lambda: self.named(name, trace))
        return span

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.close()


@pytest.fixture(scope="module")
def traced(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock that sends its spans, and soon, and events of its tasks."""
    variables: dict[str, Any] = {"PENSTOCK_OTLP_URL": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with running_stack(tmp_path_factory.mktemp("traced") / "data", workers=0, **variables) as running:
        running.start_worker("--task-events")
        yield running


def test_one_trace_from_the_create_to_the_last_byte(traced: Stack, collector: Collector) -> None:
    with traced.client(default_headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}) as client:
        stream = client.responses.create(input=f"{MARKER} [[demo tokens=30 rate=200]]", background=True, stream=True)
        job = next(event.response.id for event in stream if event.type == "response.completed")
    post, queued = collector.one("POST /v1/responses"), collector.one("queued")
    attempt, call = collector.one("attempt"), collector.one("model call")
    assert post.parent_span_id.hex() == PARENT
    assert [queued.parent_span_id, attempt.parent_span_id] == [post.span_id] * 2
    assert call.parent_span_id == attempt.span_id
    assert post.start_time_unix_nano <= attempt.start_time_unix_nano <= call.start_time_unix_nano
    assert call.end_time_unix_nano <= post.end_time_unix_nano  # the stream's last byte
    assert b"response.completed" in raw_stream(traced.url, job)
    viewer = collector.one("GET /v1/responses/<job_id>")
    assert viewer.parent_span_id == post.span_id
    assert collector.services == {"penstock-web", "penstock-worker"}
    assert MARKER not in str(collector.spans)


def test_sections_that_are_written_side_by_side_are_in_the_trace(traced: Stack, collector: Collector) -> None:
    report = {"id": "report", "variables": {"topic": MARKER, "sections": 3, "words": 300}}
    job = create(traced.url, prompt=report)["id"]
    with traced.client() as client:
        assert follow(client, job)[-1].response.status == "completed"

    def attempts() -> list[Any]:
        return [span for span in collector.spans if span.name == "attempt" and job in str(span.attributes)]

    (attempt,) = wait_for(attempts)
    calls = wait_for(lambda: collector.named("model call", attempt.trace_id.hex()))
    assert len(calls) >= 4  # the plan, and three sections
    assert {call.parent_span_id for call in calls} == {attempt.span_id}
    assert MARKER not in str(collector.spans)


class Flower:
    """Flower, attached to a Penstock's queue."""

    def __init__(self, stack: Stack, directory: Path) -> None:
        broker = stack.redis_server.url.replace("unix://", "redis+socket://")
        options = {"global_keyprefix": "penstock:celery:"}
        config = f"broker_url = {broker!r}\nbroker_transport_options = {options!r}\n"
        (directory / "celeryconfig.py").write_text(config)
        self._url = f"http://127.0.0.1:{(port := free_port())}"
        environment = clean_environment(PYTHONPATH=str(directory), FLOWER_UNAUTHENTICATED_API="true")
        argv = [sys.executable, "-m", "celery", "flower", "--address=127.0.0.1", f"--port={port}"]
        self.process = Process(argv, directory / "flower.log", environment)

    def answers(self) -> bool:
        try:
            with urlopen(f"{self._url}/healthcheck", timeout=20):
                return True
        except OSError:
            return False

    def tasks(self) -> str:
        """All that it knows of tasks."""
        with urlopen(f"{self._url}/api/tasks", timeout=20) as answer:
            return str(answer.read())


@pytest.fixture
def flower(traced: Stack, tmp_path: Path) -> Iterator[Flower]:
    running = Flower(traced, tmp_path)
    yield running
    running.process.kill()


def run_job(stack: Stack) -> str:
    job: str = create(stack.url, input=f"{MARKER} [[demo tokens=10]]")["id"]
    wait_for(lambda: fetch(stack.url, f"/v1/responses/{job}")[1]["status"] == "completed")
    return job


def test_flower_shows_ids_of_jobs_and_nobody_waits_for_it(traced: Stack, flower: Flower) -> None:
    wait_for(flower.answers, START_SECONDS)
    wait_for(traced.redis.pubsub_numpat, START_SECONDS)  # from now on it hears of tasks
    job = run_job(traced)
    wait_for(lambda: job in flower.tasks())
    assert MARKER not in flower.tasks()
    flower.process.send(signal.SIGSTOP)
    run_job(traced)
    flower.process.kill()
    run_job(traced)


def test_a_span_tells_the_type_of_an_error_never_its_words(collector: Collector) -> None:
    tracing = Tracing(collector.url, "penstock-worker", "one")
    with (
        pytest.raises(ValueError, match=MARKER),
        tracing.span("model call", "client", parent=f"00-{TRACE[::-1]}-{PARENT}-01"),
    ):
        raise ValueError(MARKER)
    tracing.close()
    span = collector.one("model call", TRACE[::-1])
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert [(one.key, one.value.string_value) for one in span.attributes] == [("error.type", "ValueError")]
    assert MARKER not in str(collector.spans)


def test_a_silent_collector_does_not_hold_up_the_end_of_a_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracing = Tracing(f"http://127.0.0.1:{silent.getsockname()[1]}", "penstock-worker", "one")
        with tracing.span("attempt", "consumer"):
            pass
        tracing.close()
        assert "tracing-shutdown" in [thread.name for thread in threading.enumerate()]  # it still tries


def test_without_a_collector_nothing_is_loaded_or_made() -> None:
    script = """if True:
        import sys
        from jobs.telemetry.tracing import Tracing, traceparent_of
        tracing = Tracing("", "penstock-web", "one")
        assert tracing.start("GET /", "server", parent=None, began=0) is None
        assert traceparent_of(None) is None
        with tracing.span("model call", "client"):
            tracing.wait("queued", 0, parent=None)
        tracing.close()
        assert not any(name.startswith("opentelemetry") for name in sys.modules)
    """
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    with pytest.raises(BadSetting, match="PENSTOCK_OTLP_URL"):
        Settings.load(otlp_url="collector:4318")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(BadSetting, match=r"penstock\[otel\]"):
        Tracing("http://127.0.0.1:1", "penstock-web", "one")
