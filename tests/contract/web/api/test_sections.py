"""A report's section written again: by the API, the command line and the page; versions compared and chosen."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import update

from jobs.protocol.ids import new_job_id
from jobs.storage.schema import jobs
from tests.support.assertions import assert_one_end
from tests.support.stack import Stack, wait_for
from tests.support.up import ask
from tests.support.wire import create, fetch, request
from web.auth import LOCAL_OWNER

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
VARIABLES = {"topic": "tides", "words": "200", "sections": "3"}


@pytest.fixture(scope="module")
def report(penstock: Stack) -> Any:
    """A completed report of three sections and a summary."""
    return ended(penstock, create(penstock.url, prompt={"id": "report", "variables": VARIABLES})["id"])


def ended(stack: Stack, job_id: str) -> Any:
    """The job, once it has completed."""

    def look() -> Any:
        job = fetch(stack.url, f"/v1/responses/{job_id}")[1]
        return job if job["status"] not in ("queued", "in_progress") else None

    job = wait_for(look, 60)
    assert job["status"] == "completed"
    return job


def texts(job: Any) -> dict[int, str]:
    messages = [item for item in job["output"] if item["type"] == "message" and item["status"] == "completed"]
    return {item["penstock"]["section"]: item["content"][0]["text"] for item in messages}


def section(stack: Stack, job_id: str, number: int, action: str = "versions", **body: str) -> tuple[int, Any]:
    path = f"/v1/responses/{job_id}/sections/{number}/{action}"
    sent = json.dumps(body).encode() if body else None
    return fetch(stack.url, path, method="POST" if body else "GET", body=sent)


def rewritten(stack: Stack, job_id: str, number: int, wish: str) -> Any:
    status, job = section(stack, job_id, number, wish=wish)
    assert status == 200, job
    return ended(stack, job["id"])


def requests(stack: Stack) -> int:
    """How often the model was asked so far."""
    return sum(prompt["requests"] for prompt in stack.model.all_stats().values())


def test_one_section_is_written_again_and_all_else_is_carried_over(penstock: Stack, report: Any) -> None:
    before = requests(penstock)
    job = rewritten(penstock, report["id"], 2, "say LOBSTER [[demo echo]]")
    assert requests(penstock) == before + 1  # one question to the model: nothing else is paid for
    old, new = texts(report), texts(job)
    assert "LOBSTER" in new[2]
    assert new[2].startswith(old[2].partition("\n")[0])  # its heading
    assert {number: text for number, text in new.items() if number != 2} == {
        number: text for number, text in old.items() if number != 2
    }
    assert job["penstock"]["rewrite"] == {"section": 2, "wish": "say LOBSTER [[demo echo]]"}
    assert job["penstock"]["retry_of"] == report["id"]
    assert job["usage"]["output_tokens"] < report["usage"]["output_tokens"]
    assert_one_end(penstock.database, job["id"])
    found = section(penstock, job["id"], 2)[1]["data"]
    assert [(version["id"], version["chosen"], version["text"]) for version in found] == [
        (report["id"], False, old[2]),
        (job["id"], True, new[2]),
    ]
    assert [version["wish"] for version in found] == ["", "say LOBSTER [[demo echo]]"]


def test_versions_of_several_sections_are_chosen_one_by_one(penstock: Stack, report: Any) -> None:
    second = rewritten(penstock, report["id"], 2, "say ALPHA [[demo echo]]")
    third = rewritten(penstock, second["id"], 3, "say BETA [[demo echo]]")
    before = requests(penstock)
    status, chosen = section(penstock, third["id"], 2, "choose", response_id=report["id"])
    assert status == 200
    both = ended(penstock, chosen["id"])
    assert texts(both) == texts(report) | {3: texts(third)[3]}
    assert both["penstock"]["rewrite"] == {"section": 2, "taken_from": report["id"]}
    with request(penstock.url, f"/jobs/{both['id']}.md") as answer:  # the export has the chosen ones
        text = answer.read().decode()
    assert ("ALPHA" in text, "BETA" in text) == (False, True)
    assert section(penstock, both["id"], 3, "choose", response_id=report["id"])[1]["id"] == report["id"]
    assert section(penstock, both["id"], 2, "choose", response_id=second["id"])[1]["id"] == third["id"]
    assert requests(penstock) == before  # nothing was asked of a model
    fetch(penstock.url, f"/v1/responses/{second['id']}", method="DELETE")
    left = section(penstock, both["id"], 2)[1]["data"]
    assert "ALPHA" in next(version["text"] for version in left if version["id"] == third["id"])  # it has it too


def test_what_has_no_such_section_is_refused(penstock: Stack, report: Any) -> None:
    story = create(penstock.url, input="no sections [[demo tokens=3]]")["id"]
    assert section(penstock, story, 1, wish="x")[1]["error"]["code"] == "no_sections"
    running = create(penstock.url, prompt={"id": "report", "variables": {**VARIABLES, "source": "[[demo rate=2]]"}})
    assert section(penstock, running["id"], 1, wish="x")[1]["error"]["code"] == "not_completed"
    fetch(penstock.url, f"/v1/responses/{running['id']}/cancel", method="POST")
    for number in (5, 99):
        status, answer = section(penstock, report["id"], number, wish="x")
        assert (status, answer["error"]["param"]) == (400, "section")
    for body, param in (({"wish": " "}, "wish"), ({"wish": "x" * 4001}, "wish"), ({"x": "y"}, "wish")):
        status, answer = section(penstock, report["id"], 1, **body)
        assert (status, answer["error"]["param"]) == (400, param)
    for other in (story, new_job_id(), "x"):
        status, answer = section(penstock, report["id"], 1, "choose", response_id=other)
        assert (status, answer["error"]["param"]) == (400, "response_id")


def test_another_owner_finds_nothing(penstock: Stack) -> None:
    job_id = create(penstock.url, input="of somebody else [[demo tokens=1]]")["id"]
    ended(penstock, job_id)
    with penstock.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(owner="another"))
    for path in (f"/v1/responses/{job_id}/sections/1/versions", f"/jobs/{job_id}/sections/1"):
        for method in ("GET", "POST"):
            with request(penstock.url, path, method=method, body=b'{"wish": "x"}') as answer:
                assert answer.status == 404
    assert section(penstock, job_id, 1, "choose", response_id=job_id)[0] == 404
    with penstock.database.write() as connection:  # or the counts of owners would not agree with the rows
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(owner=LOCAL_OWNER))


def test_the_command_line_writes_again_compares_and_chooses(penstock: Stack, report: Any) -> None:
    made = ask(penstock.url, "rewrite", report["id"], "1", "say GAMMA [[demo echo]]")
    job = ended(penstock, made.stdout.strip())
    listed = ask(penstock.url, "rewrite", job["id"], "1", "--list").stdout.splitlines()
    assert [line[:2] for line in listed if report["id"] in line or job["id"] in line] == ["  ", "* "]
    compared = ask(penstock.url, "rewrite", job["id"], "1", "--compare", report["id"]).stdout
    assert "GAMMA" in "".join(re.findall(r"\{\+(.*?)\+\}", compared, re.DOTALL))
    assert "[-" in compared
    chosen = ask(penstock.url, "rewrite", job["id"], "1", "--choose", report["id"])
    assert chosen.stdout.strip() == report["id"]
    assert ask(penstock.url, "rewrite", report["id"], "1").exit_code == 2


def test_the_page_shows_versions_side_by_side_and_takes_one(penstock: Stack, report: Any) -> None:
    path = f"/jobs/{report['id']}/sections/3"
    with request(penstock.url, f"/jobs/{report['id']}") as answer:
        assert path in answer.read().decode()
    sent = urlencode({"wish": "say **DELTA** [[demo echo]]"}).encode()
    with request(penstock.url, path, method="POST", headers=FORM, body=sent) as answer:
        assert answer.status == 303
        job_id = re.findall(r"resp_\w+", answer.headers["Location"])[0]
    ended(penstock, job_id)
    with request(penstock.url, f"/jobs/{job_id}/sections/3?with={report['id']}") as answer:
        page = answer.read().decode()
    assert "<strong><ins>DELTA</ins></strong>" in page
    assert "<del>" in page
    with request(penstock.url, path) as answer:
        assert "<ins>" in answer.read().decode()
    sent = urlencode({"version": report["id"]}).encode()
    with request(penstock.url, f"/jobs/{job_id}/sections/3", method="POST", headers=FORM, body=sent) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, f"/jobs/{report['id']}#section-3")
    with request(penstock.url, path, method="POST", headers=FORM, body=b"wish=") as answer:
        assert answer.status == 400
        assert 'role="alert"' in answer.read().decode()
    with request(penstock.url, f"/jobs/{report['id']}/sections/77") as answer:
        assert (answer.status, answer.headers["Location"]) == (303, f"/jobs/{report['id']}")
