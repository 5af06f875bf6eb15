"""A retry that somebody asks for, and those that clients make in silence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import openai
import pytest
import redis

from jobs.errors import InvalidRequest, JobNotFound
from jobs.job import Job, Status
from jobs.limits import OwnerLimits
from jobs.protocol import events
from jobs.settings import Settings
from jobs.storage.attempts import Checkpoint
from jobs.transport.event_log import EventLog
from jobs.transport.queue import Queue
from tests.support.job_factory import OWNER, JobFactory, accepted
from tests.support.stack import Stack, wait_for
from tests.support.wire import assert_refused, create, fetch
from web.actions.retry import retry
from web.limits.admission import admission
from web.wakeups import WakeupSender
from worker.model.chunks import Kind
from worker.writing import resume
from worker.writing.section import Section


def context_of(job_factory: JobFactory) -> Any:
    """What an action needs of a web process; its wake-ups are never sent, because its threads were not started."""
    wakeups = WakeupSender(Queue(Settings.load()), EventLog(redis.Redis()), most=1)
    admitted = admission(job_factory.database, redis.Redis(), OwnerLimits())
    untold = SimpleNamespace(traced=lambda request: request, accepted=lambda _: None)
    return SimpleNamespace(store=job_factory.store, wakeups=wakeups, admission=admitted, telemetry=untold)


@pytest.fixture
def half_done(job_factory: JobFactory) -> Job:
    """A job of two sections that failed in its second."""
    claim = job_factory.claim()
    writer = job_factory.writer(claim)
    writer.begin()
    first, second = Section(writer, 0), Section(writer, 1)
    for section in (first, second):
        section.write(Kind.REASONING, "hm")
        section.write(Kind.TEXT, "written")
    first.finish(lambda items: job_factory.attempts.checkpoint(claim, Checkpoint(0, items, None)))
    writer.close_open_items()
    job_factory.finish(claim, Status.FAILED, writer)
    return job_factory.get(claim.job.id)


def test_invariant_5_finished_items_stay_across_a_retry(job_factory: JobFactory, half_done: Job) -> None:
    again = retry(context_of(job_factory), OWNER, half_done.id)
    claim = job_factory.claim(again)
    assert [checkpoint.section for checkpoint in claim.checkpoints] == [0]
    writer = job_factory.writer(claim)
    for checkpoint in claim.checkpoints:
        resume.restore(writer, checkpoint)
        resume.restore(writer, checkpoint)  # an attempt that finds it restored leaves it alone
    carried = [item for checkpoint in claim.checkpoints for item in checkpoint.items]
    assert [item["penstock"] for item in carried] == [{"section": 0}] * 2  # its times are those of another job
    output = writer.buffer.snapshot()["output"]
    assert [item["penstock"] for item in output] == [{"section": 0}] * 2
    answers = [item for item in writer.buffer.snapshot()["output"] if item["type"] == "message"]
    assert [(item["status"], item["content"][0]["text"]) for item in answers] == [("completed", "written")]


def test_a_retry_is_a_new_job_with_the_same_request(job_factory: JobFactory, half_done: Job) -> None:
    again = retry(context_of(job_factory), OWNER, half_done.id)
    assert again.id != half_done.id
    assert again.request == replace(half_done.request, retry_of=half_done.id)
    created, _ = events.events_of(events.split(again.initial_frames))
    assert created["response"]["penstock"]["retry_of"] == half_done.id


def test_what_completed_is_written_anew(job_factory: JobFactory) -> None:
    claim = job_factory.claim()
    writer = job_factory.writer(claim)
    section = Section(writer, 0)
    section.write(Kind.TEXT, "all of it")
    section.finish(lambda items: job_factory.attempts.checkpoint(claim, Checkpoint(0, items, None)))
    job_factory.finish(claim, writer=writer)
    assert not job_factory.claim(retry(context_of(job_factory), OWNER, claim.job.id)).checkpoints


def test_only_an_ended_job_of_ones_own_is_retried(job_factory: JobFactory, half_done: Job) -> None:
    with pytest.raises(InvalidRequest, match="has not ended"):
        retry(context_of(job_factory), OWNER, job_factory.accept().id)
    with pytest.raises(JobNotFound):
        retry(context_of(job_factory), "another", half_done.id)


def test_retry_over_http(client: openai.OpenAI, penstock: Stack) -> None:
    failed = client.responses.create(input="fail me [[demo status=400 fails=1]]")
    assert failed.status == "failed"
    status, again = fetch(penstock.url, f"/v1/responses/{failed.id}/retry", method="POST", body=b"")
    assert (status, again["status"], again["penstock"]["retry_of"]) == (200, "queued", failed.id)
    assert wait_for(lambda: client.responses.retrieve(again["id"]).status == "completed")
    _, final = fetch(penstock.url, f"/v1/responses/{again['id']}")
    assert final["penstock"]["retry_of"] == failed.id
    running = create(penstock.url, input="not yet [[demo stall=1]]")["id"]
    assert_refused(*fetch(penstock.url, f"/v1/responses/{running}/retry", method="POST", body=b""))
    client.responses.cancel(running)


# -- in silence ----------------------------------------------------------------------------------------------------


def test_a_client_that_sends_again_gets_the_job_that_it_made(job_factory: JobFactory) -> None:
    request = accepted(input="sent twice")
    first = job_factory.store.accept("sender", request)
    assert job_factory.store.accept("sender", request, client_retry=1).id == first.id
    assert job_factory.store.accept("sender", request, client_retry=2).id == first.id
    assert job_factory.store.accept("another", request, client_retry=1).id != first.id
    assert job_factory.store.accept("sender", accepted(input="else"), client_retry=1).id != first.id
    assert job_factory.store.accept("sender", request).id != first.id


def test_clients_that_send_the_same_again_at_once_get_a_job_each(job_factory: JobFactory) -> None:
    request = accepted(input="sent by many")
    made = {job_factory.store.accept("many", request).id for _ in range(8)}
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: job_factory.store.accept("many", request, client_retry=1).id, range(8)))
    assert set(found) == made
    assert job_factory.store.accept("many", request, client_retry=1).id not in made


def test_a_job_that_its_sender_left_is_not_given_to_the_next(job_factory: JobFactory) -> None:
    request = accepted(input="left alone", background=False)
    running = job_factory.store.accept("leaver", request)
    assert job_factory.store.accept("leaver", request, client_retry=1).id != running.id
    cancelled = job_factory.store.accept("leaver", replace(request, background=True))
    job_factory.store.request_cancel("leaver", cancelled.id)
    assert job_factory.store.accept("leaver", replace(request, background=True), client_retry=1).id != cancelled.id


def test_silent_retries_over_http(penstock: Stack) -> None:
    first = create(penstock.url, input="twice over http [[demo tokens=3]]")
    again = create(penstock.url, input="twice over http [[demo tokens=3]]", headers={"x-stainless-retry-count": "1"})
    other = create(penstock.url, input="twice over http [[demo tokens=3]]", headers={"x-stainless-retry-count": "no"})
    assert first["id"] == again["id"] != other["id"]
