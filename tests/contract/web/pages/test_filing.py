"""Titles, stars and labels: by the API and on the pages, in lists, in searches, and in what a job says of itself."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.support.markup import Markup
from tests.support.stack import Stack, wait_for
from tests.support.wire import create


@pytest.fixture
def browser(penstock: Stack) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=penstock.url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def word() -> str:
    """What only the jobs of one test are about."""
    return f"heron{secrets.token_hex(6)}"


def ended(browser: httpx2.Client, penstock: Stack, text: str, **body: Any) -> str:
    job_id = str(create(penstock.url, input=f"{text} [[demo echo rate=0]]", **body)["id"])
    wait_for(lambda: browser.get(f"/v1/responses/{job_id}").json()["status"] == "completed")
    return job_id


def found(browser: httpx2.Client, **query: str) -> list[str]:
    """The ids that a list has: the same on the page and by the API."""
    answer = browser.get("/v1/responses", params=query)
    assert answer.status_code == 200, answer.text
    ids = [job["id"] for job in answer.json()["data"]]
    page = Markup(browser.get("/jobs", params=query).text)
    assert page.faults == []
    assert [row.attributes["id"] for row in page.all("tr") if row.attributes.get("id", "").startswith("resp_")] == ids
    return ids


def test_a_job_is_filed_by_the_api(browser: httpx2.Client, penstock: Stack, word: str) -> None:
    job_id = ended(browser, penstock, "about birds", metadata={"ticket": "7"})
    before = browser.get(f"/v1/responses/{job_id}").json()
    metadata = {"title": f"Of {word}", "starred": "true", "labels": f"{word}, draft", "ticket": "8"}
    answer = browser.post(f"/v1/responses/{job_id}", json={"metadata": metadata})
    assert answer.json() == {**before, "metadata": metadata}
    assert browser.get(f"/v1/responses/{job_id}").json() == answer.json()
    assert browser.get(f"/jobs/{job_id}.json").json() == answer.json()
    (listed,) = browser.get("/v1/responses", params={"label": word}).json()["data"]
    assert listed["metadata"] == metadata
    for query in ({"q": word}, {"label": word}, {"label": word, "starred": "true"}, {"q": word, "label": "draft"}):
        assert found(browser, **query) == [job_id], query
    retried = browser.post(f"/v1/responses/{job_id}/retry").json()
    assert retried["metadata"] == metadata
    assert found(browser, label=word, sort="oldest") == [job_id, retried["id"]]
    assert found(browser, label=word, until="2020-01-01") == []
    assert found(browser, label=word, since="2020-01-01", sort="title") == [job_id, retried["id"]]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("{job}", {}),
        ("{job}", {"metadata": None}),
        ("{job}", {"metadata": {"title": 7}}),
        ("{job}", {"metadata": {"title": "x" * 513}}),
        ("{job}", {"metadata": {str(number): "" for number in range(17)}}),
    ],
)
def test_odd_metadata_is_refused(browser: httpx2.Client, penstock: Stack, path: str, body: dict[str, Any]) -> None:
    job_id = create(penstock.url, input="odd [[demo tokens=1]]")["id"]
    answer = browser.post(f"/v1/responses/{path.format(job=job_id)}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("metadata")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("starred=yes", "starred"),
        ("sort=best", "sort"),
        ("since=yesterday", "since"),
        ("until=2026-02-30", "until"),
        ("sort=title&order=asc", "order"),
    ],
)
def test_an_odd_list_is_refused(browser: httpx2.Client, query: str, param: str) -> None:
    answer = browser.get(f"/v1/responses?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_job_is_filed_on_its_page_and_in_the_list(browser: httpx2.Client, penstock: Stack, word: str) -> None:
    job_id = ended(browser, penstock, f"The {word} fishes in the evening")
    sent = browser.post(f"/jobs/{job_id}/filing", data={"title": f"  My  {word} ", "labels": f"{word}, b"})
    assert (sent.status_code, sent.headers["Location"]) == (303, f"/jobs/{job_id}")
    page = Markup(browser.get(f"/jobs/{job_id}").text)
    assert page.all("h1")[0].text.strip() == f"My {word}"
    assert [link.text for link in page.all("a", **{"class": "label"})] == [word, "b"]
    back = f"/jobs?label={word}"
    sent = browser.post(f"/jobs/{job_id}/filing", data={"star": "true", "back": back})
    assert (sent.status_code, sent.headers["Location"]) == (303, back)
    metadata = browser.get(f"/v1/responses/{job_id}").json()["metadata"]
    assert metadata == {"title": f"My {word}", "starred": "true", "labels": f"{word}, b"}
    row = Markup(browser.get(back).text).all("tr", id=job_id)[0]
    assert "★" in row.text
    assert browser.post(f"/jobs/{job_id}/filing", data={"star": "", "title": ""}).status_code == 303
    assert browser.get(f"/v1/responses/{job_id}").json()["metadata"] == {"labels": f"{word}, b"}
    too_many = {"labels": ", ".join(f"{number:060}" for number in range(9))}
    assert browser.post(f"/jobs/{job_id}/filing", data=too_many).status_code == 400


def test_a_search_shows_where_the_words_stand(browser: httpx2.Client, penstock: Stack, word: str) -> None:
    job_id = ended(
        browser,
        penstock,
        f"{'Long before that. ' * 30} **A** `{word}` *in* 2*3 & <b>its</b> nest. {'Long after. ' * 30}",
    )
    page = browser.get("/jobs", params={"q": f"nest {word}"}).text
    assert f"<mark>{word}</mark> in 2*3 &amp; &lt;b&gt;its&lt;/b&gt; <mark>nest</mark>." in page
    (job,) = browser.get("/v1/responses", params={"q": word}).json()["data"]
    assert f"A {word} in 2*3 & <b>its</b> nest." in job["penstock"]["excerpt"]
    assert len(job["penstock"]["excerpt"]) < 200
    browser.post(f"/jobs/{job_id}/filing", data={"title": "otherwise"})
    assert "excerpt" not in browser.get("/v1/responses", params={"limit": "1"}).json()["data"][0]["penstock"]
