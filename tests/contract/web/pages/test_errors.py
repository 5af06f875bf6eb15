"""What a person sees of an error: a page. What a program gets stays OpenAI's envelope."""

from __future__ import annotations

import httpx2
import pytest

from tests.support.markup import Markup
from tests.support.stack import Stack

PERSON = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "zh-CN"}


@pytest.mark.parametrize(
    ("path", "status", "heading"),
    [
        ("/job", 404, "没有这个页面。"),
        ("/jobs?sort=best", 400, "没有成功。"),
        ("/jobs?since=yesterday", 400, "没有成功。"),
        ("/jobs/resp_0.md", 404, "没有这个页面。"),
    ],
)
def test_a_person_gets_a_page_and_a_program_the_envelope(penstock: Stack, path: str, status: int, heading: str) -> None:
    with httpx2.Client(base_url=penstock.url, trust_env=False) as client:
        answer = client.get(path, headers=PERSON)
        told = client.get(path)
    assert (answer.status_code, told.status_code) == (status, status)
    page = Markup(answer.text)
    assert page.faults == []
    assert [each.text for each in page.all("h1")] == [heading]
    assert told.json()["error"]["message"] in [each.text for each in page.all("p", role="alert")]


def test_what_is_no_page_stays_json_for_a_browser_too(penstock: Stack) -> None:
    with httpx2.Client(base_url=penstock.url, trust_env=False) as client:
        assert client.get("/v1/nothing", headers=PERSON).json()["error"]["type"] == "invalid_request_error"
        assert "error" not in client.get("/readyz", headers=PERSON).json()
