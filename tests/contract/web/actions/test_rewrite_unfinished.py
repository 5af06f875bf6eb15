"""Sections of an incomplete report are written one by one: each is paid for alone, and the last one makes it whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.assertions import assert_one_end
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.up import ask
from tests.support.wire import create, fetch, request

# A section's brief says what happens to it, and nothing of it gets into another section's question.
PROMPT = """
id = "plan"
version = "1"
title = {en = "Plan"}
description = {en = "A plan"}
inputs = {type = "object", required = ["topic"], properties = {topic = {type = "string"}}}
[[messages.en]]
role = "user"
content = "Plan “{{topic}}”"
[[section.en]]
role = "user"
content = "Section {{number}} about “{{topic}}”: {{brief}}"
[[summary.en]]
role = "user"
content = "Summarise “{{topic}}”"
"""
FAILS = "[[demo status=400 fails=1]]"
CUT = "[[demo filter=30 fails=1]]"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock with the prompt `plan`."""
    prompts = tmp_path_factory.mktemp("prompts")
    (prompts / "plan.toml").write_text(PROMPT)
    data = tmp_path_factory.mktemp("site") / "data"
    with running_stack(data, PENSTOCK_PROMPTS=str(prompts), PENSTOCK_LEASE_SECONDS="4") as running:
        yield running


def report(site: Stack, topic: str, *briefs: str) -> Any:
    """A report that has ended, whose sections have these briefs."""
    prompt = {"id": "plan", "variables": {"topic": topic}}
    job_id = create(site.url, prompt=prompt, penstock={"review": True})["id"]
    wait_for(lambda: fetch(site.url, f"/v1/responses/{job_id}")[1]["penstock"].get("waiting"), 60)
    sections = [{"title": f"Part {number}", "brief": brief} for number, brief in enumerate(briefs, 1)]
    assert post(site, f"/v1/responses/{job_id}/plan", title="All of it", sections=sections)[0] == 200
    return ended(site, job_id)


def post(site: Stack, path: str, **body: Any) -> tuple[int, Any]:
    return fetch(site.url, path, method="POST", body=json.dumps(body).encode())


def ended(site: Stack, job_id: str) -> Any:
    wait_for(lambda: fetch(site.url, f"/v1/responses/{job_id}")[1]["status"] not in ("queued", "in_progress"), 60)
    return assert_one_end(site.database, job_id)


def rewritten(site: Stack, job_id: str, section: int, wish: str | None = None) -> Any:
    status, job = post(site, f"/v1/responses/{job_id}/sections/{section}/versions", wish=wish)
    assert status == 200, job
    return ended(site, job["id"])


def asked(site: Stack) -> int:
    """How often the model was asked for anything so far."""
    return sum(prompt["requests"] for prompt in site.model.all_stats().values())


def texts(job: Any) -> dict[int, str]:
    return {it["penstock"]["section"]: it["content"][0]["text"] for it in job["output"] if it["type"] == "message"}


def states(job: Any) -> list[str]:
    return [section["status"] for section in job["penstock"]["progress"]["sections"]]


def test_the_only_section_that_failed_makes_the_report_whole(site: Stack) -> None:
    old = report(site, "one missing", "", FAILS, "")
    assert (old["status"], [*old["penstock"]["faults"]]) == ("incomplete", ["2"])
    before = asked(site)
    job = rewritten(site, old["id"], 2, "[[demo fails=0 echo]] with LOBSTER")
    assert (job["status"], states(job)) == ("completed", ["completed"] * 4)
    assert asked(site) == before + 2  # the section, and the summary that had to wait for it
    assert "with LOBSTER" in texts(job)[2]
    assert {number: texts(job)[number] for number in (1, 3)} == texts(old)
    assert "faults" not in job["penstock"]


def test_others_that_are_missing_stay_as_they_are_and_are_named(site: Stack) -> None:
    old = report(site, "three missing", FAILS, "", FAILS, CUT)
    assert [*old["penstock"]["faults"]] == ["1", "3"]
    before = asked(site)
    first = rewritten(site, old["id"], 1)
    assert asked(site) == before + 1
    assert (first["status"], first["incomplete_details"]) == ("incomplete", {"reason": "section_failed"})
    assert [*first["penstock"]["faults"]] == ["3", "4"]
    assert first["penstock"]["faults"]["3"] == old["penstock"]["faults"]["3"]
    assert states(first) == ["completed", "completed", "incomplete", "incomplete", "incomplete"]
    assert texts(first)[4] == texts(old)[4]  # what was cut is kept
    assert first["penstock"]["status_details"]["failed"] == 2
    # A finished section of a report that lacks others: it alone is asked for.
    second = rewritten(site, first["id"], 2, "shorter")
    assert asked(site) == before + 2
    assert (second["status"], [*second["penstock"]["faults"]]) == ("incomplete", ["3", "4"])
    # A retry writes all that is missing, and the wish is not heard again.
    retried = ended(site, post(site, f"/v1/responses/{second['id']}/retry")[1]["id"])
    assert asked(site) == before + 5
    assert (retried["status"], texts(retried)[2]) == ("completed", texts(second)[2])


def test_what_was_cut_everywhere_is_incomplete_for_the_same_reason(site: Stack) -> None:
    old = report(site, "two cut", CUT, CUT, "")
    assert old["incomplete_details"] == {"reason": "content_filter"}
    job = rewritten(site, old["id"], 1)
    assert (job["status"], job["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
    assert texts(job)[2] == texts(old)[2]


def test_a_version_of_another_job_makes_the_report_whole(site: Stack) -> None:
    old = report(site, "two versions", "", FAILS)
    job = rewritten(site, old["id"], 2)
    before = asked(site)
    status, chosen = post(site, f"/v1/responses/{old['id']}/sections/2/choose", response_id=job["id"])
    assert (status, chosen["id"]) == (200, job["id"])  # that is the report with it
    listed = fetch(site.url, f"/v1/responses/{old['id']}/sections/2/versions")[1]["data"]
    assert [(version["id"], version["chosen"]) for version in listed] == [(job["id"], False)]
    assert asked(site) == before


def test_finished_sections_need_a_wish_and_what_is_not_there_is_refused(site: Stack) -> None:
    old = report(site, "refusals", "", FAILS)
    for section, param in ((1, "wish"), (3, "section"), (0, "section")):
        status, answer = post(site, f"/v1/responses/{old['id']}/sections/{section}/versions", wish="")
        assert (status, answer["error"]["param"]) == (400, param)
    nothing = report(site, "nothing at all", FAILS, FAILS)
    assert nothing["status"] == "failed"
    status, answer = post(site, f"/v1/responses/{nothing['id']}/sections/1/versions", wish="x")
    assert (status, answer["error"]["code"]) == (400, "not_completed")


def test_the_command_line_and_the_page_write_what_is_missing(site: Stack) -> None:
    old = report(site, "by hand", "", FAILS, FAILS)
    path = f"/jobs/{old['id']}/sections/3"
    with request(site.url, f"/jobs/{old['id']}") as answer:
        page = answer.read().decode()
    assert re.findall(r'class="again" href="([^"]+)"', page) == [
        f"/jobs/{old['id']}/sections/{number}" for number in (1, 2, 3)
    ]
    assert "1 of 4 sections" in page
    with request(site.url, path) as answer:
        page = answer.read().decode()
    assert "answered 400" in page  # why it was not finished
    assert " required" not in page
    made = ask(site.url, "rewrite", old["id"], "2")
    second = ended(site, made.stdout.strip())
    assert [*second["penstock"]["faults"]] == ["3"]
    with request(
        site.url, f"/jobs/{second['id']}/sections/3", method="POST", headers=FORM, body=urlencode({"wish": ""}).encode()
    ) as answer:
        assert answer.status == 303
        job_id = re.findall(r"resp_\w+", answer.headers["Location"])[0]
    assert ended(site, job_id)["status"] == "completed"


def test_what_stays_as_it_was_is_there_once_after_a_worker_died(site: Stack) -> None:
    old = report(site, "killed", "", FAILS, FAILS, CUT)
    site.start_worker()
    path = f"/v1/responses/{old['id']}/sections/2/versions"
    job_id = post(site, path, wish="[[demo fails=0 rate=30 tokens=60]] slowly")[1]["id"]
    key = wait_for(lambda: next((prompt for prompt in site.model.all_stats() if "slowly" in prompt), None))
    site.model.wait(key, "first_token")
    site.lose(site.runner(job_id))
    site.redis.flushall()
    job = ended(site, job_id)
    assert job["penstock"]["attempt"] == 2
    assert (job["status"], [*job["penstock"]["faults"]]) == ("incomplete", ["3", "4"])
    assert {number: texts(job)[number] for number in (1, 4)} == texts(old)
    assert [item["penstock"]["section"] for item in job["output"]] == [0, 1, 2, 4]
    assert site.model.stats(key)["requests"] == 2
