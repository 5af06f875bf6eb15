"""`previous_response_id`: a response that goes on with another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import openai
import pytest

from jobs.errors import InvalidRequest
from jobs.job import Job
from tests.support.job_factory import OWNER, JobFactory, accepted
from tests.support.stack import Stack
from web.actions.conversation import MAX_TURNS, history, previous


def test_what_was_said_before_comes_before_the_new_input(client: openai.OpenAI, penstock: Stack) -> None:
    first = client.responses.create(input="I am called 翠花 [[demo echo]]", instructions="Be brief.")
    second = client.responses.create(
        input="What am I called? [[demo echo]]", instructions="Be long.", previous_response_id=first.id
    )
    assert second.previous_response_id == first.id
    client.responses.delete(first.id)  # what goes on with it has its own copy
    third = client.responses.create(input="And now? [[demo echo]]", previous_response_id=second.id)
    told = [(message["role"], message["content"].split(" [[")[0].strip()) for message in _told(penstock, third.id)]
    assert told == [
        ("user", "I am called 翠花"),
        ("assistant", "I am called 翠花"),
        ("user", "What am I called?"),
        ("assistant", "What am I called?"),
        ("user", "And now?"),
    ]
    assert _told(penstock, second.id)[0] == {"role": "system", "content": "Be long."}


def _told(penstock: Stack, job_id: str) -> list[dict[str, str]]:
    return JobFactory(penstock.database).store.get("local", job_id).request.model_messages


def test_the_model_is_told_all_of_it(client: openai.OpenAI, penstock: Stack) -> None:
    first = client.responses.create(input="one [[demo tokens=3]]")
    # A model that takes a single message refuses the conversation: so it has got three.
    refused = client.responses.create(input="two [[demo context=2]]", previous_response_id=first.id)
    assert refused.status == "failed"
    assert refused.error
    assert "maximum context length" in refused.error.message
    assert (
        client.responses.create(input="three [[demo context=3]]", previous_response_id=first.id).status == "completed"
    )


def test_with_truncation_auto_the_oldest_is_left_out(client: openai.OpenAI) -> None:
    said: list[Any] = [{"role": "user" if n % 2 == 0 else "assistant", "content": f"{n}"} for n in range(20)]
    job = client.responses.create(
        input=[*said, {"role": "user", "content": "the end [[demo context=4 echo]]"}],
        instructions="Be brief.",
        truncation="auto",
    )
    assert (job.status, job.truncation, job.output_text.strip()) == ("completed", "auto", "the end")


def test_a_response_that_has_not_ended_cannot_be_gone_on_with(client: openai.OpenAI) -> None:
    running = client.responses.create(input="wait [[demo rate=5 tokens=5000]]", background=True)
    with pytest.raises(openai.BadRequestError, match="has not ended yet") as refused:
        client.responses.create(input="more", previous_response_id=running.id)
    assert refused.value.param == "previous_response_id"
    client.responses.cancel(running.id)
    assert client.responses.create(
        input="after all [[demo rate=0 tokens=2]]", previous_response_id=running.id
    ).output_text


def ended(job_factory: JobFactory, **body: object) -> Job:
    before = body.pop("before", None)
    said = history(previous(job_factory.store, OWNER, str(before))) if before else []
    claim = job_factory.claim(job_factory.store.accept(OWNER, replace(accepted(**body), history=said)))
    job_factory.finish(claim)
    return claim.job


def test_a_conversation_goes_back_so_far_and_no_further(job_factory: JobFactory) -> None:
    job = ended(job_factory)
    for _ in range(MAX_TURNS):
        job = ended(job_factory, before=job.id)
    assert len(job.request.model_messages) == 2 * MAX_TURNS + 1
    with pytest.raises(InvalidRequest, match="goes back 32 responses at most"):
        history(previous(job_factory.store, OWNER, job.id))


def test_another_owners_response_is_not_found(job_factory: JobFactory) -> None:
    with pytest.raises(InvalidRequest, match="not found") as refused:
        previous(job_factory.store, "another", ended(job_factory).id)
    assert refused.value.code == "previous_response_not_found"
