"""The newest official OpenAI client, unchanged, against a running Penstock."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from jobs.protocol import events
from jobs.protocol.fold import fold
from tests.support.stack import Stack, Viewer, wait_for
from tests.support.wire import raw_stream

CJK = "翠花，上酸菜！👩‍👩‍👧‍👦 e\u0301 \u2028 \u0085 𠮷"


def stream(client: openai.OpenAI, **request: Any) -> list[Any]:
    return list(client.responses.create(background=True, stream=True, **request))


def test_a_stream_is_numbered_and_its_text_is_the_stored_text(client: openai.OpenAI) -> None:
    found = stream(client, input=f"{CJK} [[demo echo bytes]]")
    deltas = "".join(event.delta for event in found if event.type == events.TEXT_DELTA)
    done = next(event.text for event in found if event.type == events.TEXT_DONE)
    final = found[-1].response

    assert [event.sequence_number for event in found] == list(range(len(found)))
    assert [event.type for event in found[:3]] == [events.CREATED, events.QUEUED, events.IN_PROGRESS]
    assert found[-1].type == events.COMPLETED
    assert deltas == done == final.output_text == client.responses.retrieve(final.id).output_text
    assert deltas.strip() == CJK.strip()


def test_the_stream_helper_reads_reasoning_apart_from_the_answer(client: openai.OpenAI) -> None:
    for field in ("reasoning_content", "reasoning", "tag"):
        with client.responses.stream(
            model="demo+rate=0+first=0", input=f"think [[demo tokens=30 think=12 field={field}]]", background=True
        ) as helper:
            final: Any = helper.get_final_response()
        thought, answer = final.output
        assert (thought.type, answer.type) == ("reasoning", "message")
        assert thought.content
        assert "think>" not in final.output_text
        assert final.usage
        assert final.usage.output_tokens >= 42  # the tags are tokens too
        assert final.usage.output_tokens_details.reasoning_tokens == 12


def test_resume_gives_the_rest_at_every_cursor(client: openai.OpenAI) -> None:
    found = stream(client, input="resume me [[demo tokens=25]]")
    numbers = [event.sequence_number for event in found]
    for after in numbers:
        rest = client.responses.retrieve(found[0].response.id, stream=True, starting_after=after)
        assert [event.sequence_number for event in rest] == numbers[after + 1 :]


def test_replays_are_the_same_bytes_live_ended_and_without_the_log(own_stack: Stack) -> None:
    client = own_stack.client()
    job = client.responses.create(input="same bytes [[demo tokens=200 rate=100]]", background=True)
    live = raw_stream(own_stack.url, job.id)
    ended = raw_stream(own_stack.url, job.id)
    own_stack.redis.flushall()
    without_log = raw_stream(own_stack.url, job.id)
    assert live == ended == without_log
    stored = json.loads(client.responses.with_raw_response.retrieve(job.id).content)
    assert fold(events.events_of(events.split(without_log))) == stored


def test_the_helper_resumes_a_job_by_its_id(client: openai.OpenAI) -> None:
    job = client.responses.create(input="by id [[demo tokens=40 rate=200]]", background=True)
    with client.responses.stream(response_id=job.id) as helper:
        assert [event.type for event in helper][-1] == events.COMPLETED
        final = helper.get_final_response()
    assert final.output_text == client.responses.retrieve(job.id).output_text


def test_a_created_job_is_queued_and_can_be_polled(client: openai.OpenAI) -> None:
    job = client.responses.create(
        prompt={"id": "explainer", "variables": {"topic": "人工智能"}}, background=True, metadata={"series": "one"}
    )
    assert (job.status, job.output, job.metadata) == ("queued", [], {"series": "one"})
    final = wait_for(lambda: _completed(client, job.id))
    for heading in ("【核心概念】", "【生活案例】", "【一句话总结】"):
        assert heading in final.output_text


def _completed(client: openai.OpenAI, job_id: str) -> Any:
    found = client.responses.retrieve(job_id)
    return found if found.status == "completed" else None


def test_parameters_reach_the_model(client: openai.OpenAI) -> None:
    short = stream(client, input="short", max_output_tokens=7, temperature=0.1, top_p=0.9)[-1].response
    assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert short.usage.output_tokens == 7
    assert short.output[0].status == "incomplete"
    spoken = stream(client, input=[{"role": "user", "content": "a list [[demo echo]]"}], instructions="Be brief.")
    assert spoken[-1].response.output_text.strip() == "a list"
    assert spoken[-1].response.instructions == "Be brief."


def test_cancel_keeps_the_text_and_may_be_repeated(client: openai.OpenAI, penstock: Stack) -> None:
    job = client.responses.create(input="cancel me [[demo rate=30 tokens=5000]]", background=True)
    viewer = Viewer(client, job.id)
    wait_for(lambda: len(viewer.events) > 10)
    cancelled = client.responses.cancel(job.id)
    found = viewer.ended()
    assert cancelled.status == "cancelled"
    assert found[-1].type == events.INCOMPLETE
    assert found[-1].response.status == "cancelled"
    assert cancelled.output_text == "".join(e.delta for e in found if e.type == events.TEXT_DELTA) != ""
    assert client.responses.cancel(job.id).output_text == cancelled.output_text
    penstock.model.wait("cancel me", "closed_by_client")


def test_an_ended_job_cannot_be_cancelled(client: openai.OpenAI) -> None:
    job = stream(client, input="over [[demo tokens=3]]")[-1].response
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a completed response"):
        client.responses.cancel(job.id)


def test_a_deleted_job_is_gone(client: openai.OpenAI) -> None:
    done = stream(client, input="delete me [[demo tokens=3]]")[-1].response
    running = client.responses.create(input="and me [[demo rate=10 tokens=500]]", background=True)
    for job_id in (done.id, running.id):
        client.responses.delete(job_id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(job_id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(job_id, stream=True)


def test_twenty_at_once(client: openai.OpenAI) -> None:
    asked = [f"翠花 {number} 👍 [[demo echo]]" for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda text: stream(client, input=text)[-1].response.output_text, asked))
    assert [answer.strip() for answer in answers] == [f"翠花 {number} 👍" for number in range(20)]


def test_a_job_without_background_is_awaited(client: openai.OpenAI) -> None:
    job = client.responses.create(input="wait for it [[demo tokens=20]]")
    assert job.status == "completed"
    assert job.output_text == client.responses.retrieve(job.id).output_text
    streamed = list(client.responses.create(input="stream it [[demo tokens=20]]", stream=True))
    assert streamed[-1].type == events.COMPLETED


def test_what_is_not_to_be_stored_is_gone_once_answered(client: openai.OpenAI) -> None:
    awaited: Any = client.responses.create(input="forget me [[demo tokens=5]]", store=False)
    streamed: Any = list(client.responses.create(input="and me [[demo tokens=5]]", store=False, stream=True))[-1]
    for answered in (awaited, streamed.response):
        assert (answered.status, answered.store, bool(answered.output_text)) == ("completed", False, True)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(answered.id)


def test_many_viewers_see_the_same(client: openai.OpenAI) -> None:
    job = client.responses.create(input="many viewers [[demo tokens=300 rate=300]]", background=True)
    viewers = [Viewer(client, job.id) for _ in range(30)]
    seen = [[(e.sequence_number, e.to_json()) for e in viewer.ended()] for viewer in viewers]
    assert all(one == seen[0] for one in seen)


def test_models_lists_what_may_be_named(client: openai.OpenAI) -> None:
    assert "demo" in [model.id for model in client.models.list()]
