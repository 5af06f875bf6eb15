"""Whatever dies while people work on a report: nothing is lost, and nothing is paid for twice."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from jobs.protocol.fold import text_of
from tests.support.assertions import assert_one_end
from tests.support.stack import Stack, wait_for
from tests.support.wire import create, fetch

PLAN = {"title": "Tides", "sections": [{"title": "The moon", "brief": ""}, {"title": "The sun", "brief": ""}]}


def agree(stack: Stack, job_id: str) -> None:
    path = f"/v1/responses/{job_id}/plan"
    assert fetch(stack.url, path, method="POST", body=json.dumps(PLAN).encode())[0] == 200


def asked(stack: Stack) -> Counter[str]:
    """How many times the model was asked for a plan, a section, a summary, a section once more."""
    counts = Counter[str]()
    for prompt, happened in stack.model.all_stats().items():
        kind = next(
            word
            for word in ("Plan a report", "Write section", "Summarise", "Write this section again")
            if word in prompt
        )
        counts[kind] += happened["requests"]
    return counts


def waiting(stack: Stack, job_id: str) -> Any:
    return wait_for(lambda: fetch(stack.url, f"/v1/responses/{job_id}")[1]["penstock"].get("waiting"), 60)


def test_a_plan_waits_through_the_death_of_all_processes_and_the_loss_of_the_log(own_stack: Stack) -> None:
    prompt = {"id": "report", "variables": {"topic": "tides", "words": "200", "sections": "3"}}
    job_id = create(own_stack.url, prompt=prompt, penstock={"review": True})["id"]
    assert waiting(own_stack, job_id)["reason"] == "plan"
    own_stack.lose(own_stack.workers[0])
    own_stack.webs[0].kill()
    own_stack.redis.flushall()
    own_stack.restart_web()
    assert fetch(own_stack.url, f"/v1/responses/{job_id}/plan")[1]["waiting"] is True
    agree(own_stack, job_id)
    own_stack.webs[0].kill()  # what was answered stands in the database
    own_stack.restart_web()
    own_stack.start_worker()
    wait_for(lambda: fetch(own_stack.url, f"/v1/responses/{job_id}")[1]["status"] == "completed", 60)
    stored = assert_one_end(own_stack.database, job_id)
    assert [section["title"] for section in stored["penstock"]["outline"]["sections"]] == ["The moon", "The sun"]
    assert "## The sun" in text_of(stored)
    assert "**The sun**" in stored["output"][0]["summary"][0]["text"]
    assert asked(own_stack) == {"Plan a report": 1, "Write section": 2, "Summarise": 1}
    assert stored["penstock"]["attempt"] == 2


def test_a_worker_that_dies_after_the_agreement_does_not_ask_again(own_stack: Stack) -> None:
    model = "demo+rate=100+first=0"
    prompt = {"id": "report", "variables": {"topic": "tides", "words": "300", "sections": "3"}}
    job_id = create(own_stack.url, model=model, prompt=prompt, penstock={"review": True})["id"]
    waiting(own_stack, job_id)
    agree(own_stack, job_id)
    wait_for(lambda: asked(own_stack)["Write section"] == 2, 60)
    own_stack.start_worker()
    own_stack.lose(own_stack.workers[0])
    wait_for(lambda: fetch(own_stack.url, f"/v1/responses/{job_id}")[1]["status"] == "completed", 60)
    stored = assert_one_end(own_stack.database, job_id)
    assert asked(own_stack)["Plan a report"] == 1
    assert [section["title"] for section in stored["penstock"]["outline"]["sections"]] == ["The moon", "The sun"]


def test_a_section_is_written_again_through_the_death_of_all_processes(own_stack: Stack) -> None:
    prompt = {"id": "report", "variables": {"topic": "tides", "words": "200", "sections": "3"}}
    report = completed(own_stack, create(own_stack.url, prompt=prompt)["id"])
    path = f"/v1/responses/{report['id']}/sections/2/versions"
    wish = json.dumps({"wish": "[[demo rate=30 tokens=60]]"}).encode()
    job_id = fetch(own_stack.url, path, method="POST", body=wish)[1]["id"]
    wait_for(lambda: asked(own_stack)["Write this section again"] == 1, 60)
    own_stack.lose(own_stack.workers[0])
    own_stack.webs[0].kill()
    own_stack.redis.flushall()
    own_stack.restart_web()
    own_stack.start_worker()
    stored = completed(own_stack, job_id)
    assert_one_end(own_stack.database, job_id)
    assert [item["penstock"]["section"] for item in stored["output"]] == [0, 1, 2, 3, 4]
    assert [stored["output"][at]["content"] for at in (1, 3, 4)] == [
        report["output"][at]["content"] for at in (1, 3, 4)
    ]
    assert asked(own_stack) == {"Plan a report": 1, "Write section": 3, "Summarise": 1, "Write this section again": 2}


def completed(stack: Stack, job_id: str) -> Any:
    wait_for(lambda: fetch(stack.url, f"/v1/responses/{job_id}")[1]["status"] == "completed", 60)
    return fetch(stack.url, f"/v1/responses/{job_id}")[1]
