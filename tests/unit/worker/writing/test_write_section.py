"""Which models an attempt asks, and that a later attempt still knows who wrote what is finished."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.settings import Settings
from jobs.storage.attempts import Claim
from jobs.transport.queue import Queue
from tests.support.job_factory import JobFactory
from worker.context import WorkerContext
from worker.model.cancellation import Cancellation
from worker.writing.attempt_context import AttemptContext


@pytest.fixture
def job_factory(own_rows: JobFactory) -> JobFactory:
    return own_rows


@pytest.fixture
def context(job_factory: JobFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerContext]:
    """The parts of a worker whose model `demo` has two fallbacks; nothing runs."""
    servers = '{"a": {"preset": "ollama", "models": ["demo"], "fallbacks": ["b", "c"]}}'
    monkeypatch.setenv("PENSTOCK_SERVERS", servers)
    settings = Settings.load(data=tmp_path, openai_base_url="http://127.0.0.1:9/v1")
    context = WorkerContext(settings, Queue(settings))
    yield context
    context.attempts._database.engine.dispose()


def attempt_at(claim: Claim, job_factory: JobFactory, context: WorkerContext) -> AttemptContext:
    return AttemptContext(job_factory.writer(claim), Cancellation(), context, {})


def test_who_wrote_what_is_finished_is_known_to_a_later_attempt(
    job_factory: JobFactory, context: WorkerContext
) -> None:
    first = attempt_at(job_factory.claim(), job_factory, context)
    models = []
    for words in ("gone", ""):
        models.append(first.model)
        first.models[first.model] = words
    assert [*models, first.model] == ["demo", "b", "c"]
    first.models["c"] = None
    first.checkpoint(1, None, [{"type": "message", "id": "msg_1", "content": []}])
    second = attempt_at(job_factory.rescue(first.claim), job_factory, context)
    assert second.model == "demo"  # it may be there again
    assert second.models == second.writer.notes["models"] == {"c": None}
