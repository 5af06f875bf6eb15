"""A plan that waits for somebody to agree: by the API, the command line and the page."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import openai
import pytest

from jobs.protocol.ids import new_job_id
from jobs.storage.queue.held import PlanReviews
from tests.support.assertions import assert_one_end, row_of
from tests.support.stack import Stack, wait_for
from tests.support.up import ask
from tests.support.wire import create, fetch, request

CHANGED = {"title": "Tides, in short", "sections": [{"title": "The moon", "brief": "Why."}, {"title": "The sun"}]}


def reviewed(penstock: Stack, **variables: str) -> str:
    """A report whose plan waits."""
    prompt = {"id": "report", "variables": {"topic": "tides", "words": "200", "sections": "3", **variables}}
    return awaited(penstock, create(penstock.url, prompt=prompt, penstock={"review": True})["id"])


def awaited(penstock: Stack, job_id: str) -> str:
    """The job, once its plan waits."""
    wait_for(lambda: shown(penstock, job_id)["penstock"].get("waiting", {}).get("reason") == "plan", 60)
    return job_id


def shown(penstock: Stack, job_id: str) -> Any:
    return fetch(penstock.url, f"/v1/responses/{job_id}")[1]


def plan(penstock: Stack, job_id: str, body: Any = None) -> tuple[int, Any]:
    sent = None if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    return fetch(penstock.url, f"/v1/responses/{job_id}/plan", method=method, body=sent)


def ended(penstock: Stack, job_id: str) -> Any:
    wait_for(lambda: shown(penstock, job_id)["status"] not in ("queued", "in_progress"), 60)
    return shown(penstock, job_id)


def page(penstock: Stack, path: str) -> str:
    with request(penstock.url, path) as answer:
        return answer.read().decode()


def test_a_report_is_written_by_the_plan_that_was_agreed_on(penstock: Stack, client: openai.OpenAI) -> None:
    job_id = reviewed(penstock)
    waiting = shown(penstock, job_id)
    assert (waiting["status"], waiting["penstock"]["status_details"]["code"]) == ("in_progress", "plan_waits")
    assert [item["type"] for item in waiting["output"]] == ["reasoning"]
    status, planned = plan(penstock, job_id)
    assert (status, planned["waiting"], len(planned["sections"])) == (200, True, 3)
    listed = fetch(penstock.url, "/v1/responses?waiting=plan")[1]["data"]
    assert job_id in [job["id"] for job in listed]
    assert row_of(penstock.database, job_id).worker is None

    assert plan(penstock, job_id, CHANGED)[0] == 200
    assert plan(penstock, job_id, CHANGED)[0] == 200  # a client that got no answer sends it again
    whole = ended(penstock, job_id)
    assert whole["status"] == "completed"
    stored = assert_one_end(penstock.database, job_id)
    text = client.responses.retrieve(job_id).output_text
    headings = [line for line in text.split("\n") if line.startswith(("# ", "## "))]
    assert headings == ["# Tides, in short", "## The moon", "## The sun", "## Summary"]
    first = stored["output"][0]
    assert "**The moon** Why." in first["summary"][0]["text"]
    assert first["penstock"]["reason"] == "the plan was agreed on"
    assert [attempt["reason"] for attempt in stored["penstock"]["attempts"]] == [None, "the plan was agreed on"]
    assert plan(penstock, job_id)[1]["waiting"] is False
    assert plan(penstock, job_id, CHANGED)[1]["error"]["code"] == "plan_not_waiting"


def test_a_plan_that_cannot_be_agreed_on_is_refused_by_name(penstock: Stack) -> None:
    job_id = reviewed(penstock)
    for body, param in (
        ({"title": "x", "sections": []}, "sections"),
        ({"title": "x", "sections": [{"title": " "}]}, "sections.0.title"),
        ({"sections": CHANGED["sections"]}, "title"),
    ):
        status, answer = plan(penstock, job_id, body)
        assert (status, answer["error"]["param"]) == (400, param)
    story = create(penstock.url, input="no plan")["id"]
    assert plan(penstock, story)[1]["error"]["code"] == "no_plan"
    assert plan(penstock, new_job_id())[0] == plan(penstock, new_job_id(), CHANGED)[0] == 404
    for fields in ({"input": "hello"}, {"prompt": {"id": "report", "variables": {"topic": "x"}}, "background": False}):
        sent = json.dumps({"background": True, **fields, "penstock": {"review": True}}).encode()
        status, answer = fetch(penstock.url, "/v1/responses", method="POST", body=sent)
        assert (status, answer["error"]["param"]) == (400, "penstock.review")


@pytest.mark.parametrize("graceful", [False, True])
def test_a_job_whose_plan_waits_is_cancelled_at_once(penstock: Stack, graceful: bool) -> None:
    job_id = reviewed(penstock)
    body = json.dumps({"graceful": graceful}).encode()
    fetch(penstock.url, f"/v1/responses/{job_id}/cancel", method="POST", body=body)
    final = ended(penstock, job_id)
    reason = "stopped" if graceful else "cancelled"
    assert final["incomplete_details"]["reason"] == reason
    assert_one_end(penstock.database, job_id)
    _, again = fetch(penstock.url, f"/v1/responses/{job_id}/retry", method="POST", body=b"")
    awaited(penstock, again["id"])  # the same plan waits again, and was not paid for twice
    assert plan(penstock, again["id"])[1]["sections"] == plan(penstock, job_id)[1]["sections"]
    assert plan(penstock, again["id"], CHANGED)[0] == 200
    assert ended(penstock, again["id"])["status"] == "completed"


def test_a_plan_on_which_nobody_agrees_in_time_ends_its_job(penstock: Stack) -> None:
    job_id = reviewed(penstock)
    assert PlanReviews(penstock.database).expire(time.time() - 3600, 20) == 0
    assert PlanReviews(penstock.database).expire(time.time() + 1, 20) >= 1
    final = ended(penstock, job_id)
    assert (final["status"], final["incomplete_details"]["reason"]) == ("incomplete", "plan_expired")
    assert_one_end(penstock.database, job_id)


def test_the_command_line_prints_changes_and_agrees(
    penstock: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = ask(penstock.url, "submit", "report", "topic=tides", "words=200", "sections=2", "--review")
    job_id = awaited(penstock, submitted.stdout.strip())
    assert job_id in ask(penstock.url, "list", "--waiting").stdout
    printed = ask(penstock.url, "plan", job_id)
    assert printed.stdout.count("\n## ") == 2
    assert "--edit" in printed.stderr
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf '# New\\n\\n## Only\\nThis\\n' > \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    edited = ask(penstock.url, "plan", job_id, "--edit")
    assert edited.exit_code == 0, edited.stderr
    outline = ended(penstock, job_id)["penstock"]["outline"]
    assert outline == {"title": "New", "sections": [{"title": "Only", "brief": "This", "sources": []}]}
    assert ask(penstock.url, "plan", job_id, "--write").exit_code == 2


def test_the_page_changes_the_plan_and_agrees(penstock: Stack) -> None:
    form = {"prompt": "report", "topic": "tides", "words": "200", "request.penstock.review": "true"}
    with request(penstock.url, "/jobs", method="POST", headers=FORM, body=urlencode(form).encode()) as answer:
        job_id = awaited(penstock, answer.headers["Location"].rpartition("/")[2])
    assert f"/jobs/{job_id}/plan" in page(penstock, f"/jobs/{job_id}")
    assert job_id in page(penstock, "/jobs?waiting=plan")
    shown_plan = page(penstock, f"/jobs/{job_id}/plan")
    titles = re.findall(r'name="section" value="([^"]*)"', shown_plan)
    assert titles[-2:] == ["", ""]
    sections = [("2", "Second", "b"), ("9", "", "dropped"), ("1.5", "First", "a")]
    sent = [("title", "By hand")]
    for place, name, brief in sections:
        sent += [("place", place), ("section", name), ("brief", brief), ("sources", "")]
    path = f"/jobs/{job_id}/plan"
    with request(penstock.url, path, method="POST", headers=FORM, body=urlencode(sent[1:]).encode()) as answer:
        assert answer.status == 400
        assert 'role="alert"' in answer.read().decode()
    with request(penstock.url, path, method="POST", headers=FORM, body=urlencode(sent).encode()) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, f"/jobs/{job_id}")
    outline = ended(penstock, job_id)["penstock"]["outline"]
    assert [section["title"] for section in outline["sections"]] == ["First", "Second"]
    assert "By hand" in page(penstock, path)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
