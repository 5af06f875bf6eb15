"""Going on from a text: each turn is a job, and all are shown as one thread."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import update

from jobs.protocol.ids import new_job_id
from jobs.storage.schema import jobs
from tests.support.job_factory import JobFactory
from tests.support.stack import Stack, wait_for
from tests.support.up import ask
from tests.support.wire import create, fetch, request
from web.auth import LOCAL_OWNER

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def ended(stack: Stack, job_id: str) -> Any:
    def look() -> Any:
        job = fetch(stack.url, f"/v1/responses/{job_id}")[1]
        return job if job["status"] not in ("queued", "in_progress") else None

    return wait_for(look, 60)


def go_on(stack: Stack, job_id: str, question: str) -> tuple[int, Any]:
    body = json.dumps({"question": question}).encode()
    return fetch(stack.url, f"/v1/responses/{job_id}/thread", method="POST", body=body)


def turns(stack: Stack, job_id: str) -> list[str]:
    return [turn["id"] for turn in fetch(stack.url, f"/v1/responses/{job_id}/thread")[1]["data"]]


def page(stack: Stack, job_id: str) -> str:
    with request(stack.url, f"/jobs/{job_id}") as answer:
        return answer.read().decode()


def test_a_report_is_gone_on_with_turn_by_turn(penstock: Stack) -> None:
    variables = {"topic": "the tides", "words": "200", "sections": "2"}
    report = ended(penstock, create(penstock.url, prompt={"id": "report", "variables": variables})["id"])
    status, first = go_on(penstock, report["id"], "Which matters most? [[demo echo]]")
    assert (status, first["previous_response_id"], first["model"]) == (200, report["id"], report["model"])
    ended(penstock, first["id"])
    second = go_on(penstock, first["id"], "In one sentence? [[demo echo]]")[1]
    ended(penstock, second["id"])
    everything = [report["id"], first["id"], second["id"]]
    assert all(turns(penstock, each) == everything for each in everything)

    told = JobFactory(penstock.database).store.get("local", second["id"]).request.model_messages
    assert [message["role"] for message in told] == ["user", "assistant", "user", "assistant", "user"]
    assert told[0]["content"] == "the tides"  # and nothing of what asked for its plan
    assert told[1]["content"].startswith("# ")

    shown = page(penstock, first["id"])
    assert f"/jobs/{report['id']}" in shown
    assert f"/jobs/{second['id']}" in shown
    assert "Which matters most?" in shown
    fetch(penstock.url, f"/v1/responses/{first['id']}", method="DELETE")
    assert turns(penstock, second["id"]) == [second["id"]]  # which has its own copy of what came before


def test_what_cannot_be_gone_on_with_is_refused(penstock: Stack) -> None:
    running = create(penstock.url, input="still going [[demo rate=2 tokens=500]]")["id"]
    status, answer = go_on(penstock, running, "And?")
    assert (status, answer["error"]["param"]) == (400, "previous_response_id")
    with request(penstock.url, f"/jobs/{running}/ask", method="POST", headers=FORM, body=b"question=And") as refused:
        assert refused.status == 400
    fetch(penstock.url, f"/v1/responses/{running}/cancel", method="POST")
    ended(penstock, running)
    assert go_on(penstock, running, " ")[1]["error"]["param"] == "question"
    assert go_on(penstock, new_job_id(), "And?")[0] == 404
    with penstock.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == running).values(owner="another"))
    assert go_on(penstock, running, "And?")[0] == 404
    assert fetch(penstock.url, f"/v1/responses/{running}/thread")[0] == 404
    with request(penstock.url, f"/jobs/{running}/ask", method="POST", headers=FORM, body=b"question=And") as refused:
        assert refused.status == 404
    with penstock.database.write() as connection:  # or the counts of owners would not agree with the rows
        connection.execute(update(jobs).where(jobs.c.id == running).values(owner=LOCAL_OWNER))


def test_the_command_line_and_the_page_go_on(penstock: Stack) -> None:
    story = create(penstock.url, input="a story [[demo tokens=5]]")["id"]
    ended(penstock, story)
    asked = ask(penstock.url, "ask", story, "Why? [[demo tokens=3]]")
    assert asked.exit_code == 0, asked.stderr
    answer = asked.stdout.strip()
    ended(penstock, answer)
    listed = ask(penstock.url, "ask", answer, "--list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [story, answer]
    assert "Why?" in listed[1]
    assert ask(penstock.url, "ask", story).exit_code == 2

    assert f'action="/jobs/{answer}/ask"' in page(penstock, answer)
    sent = urlencode({"question": "How? [[demo tokens=3]]"}).encode()
    with request(penstock.url, f"/jobs/{answer}/ask", method="POST", headers=FORM, body=sent) as answered:
        assert answered.status == 303
        third = re.findall(r"resp_\w+", answered.headers["Location"])[0]
    ended(penstock, third)
    assert turns(penstock, story) == [story, answer, third]
