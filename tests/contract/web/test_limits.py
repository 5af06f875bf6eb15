"""What one owner may have: refused in words that SDKs, people and the command line understand, over all processes."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai
import pytest
from sqlalchemy import func, select

from jobs.job import Status
from jobs.limits import OwnerLimits
from jobs.storage.access.api_keys import ApiKeys
from jobs.storage.access.budget import TokenBudget
from jobs.storage.access.owner_limits import LimitRegistry
from jobs.storage.schema import jobs
from tests.support.stack import Stack, running_stack, wait_for

SLOW = "waits [[demo tokens=4000 rate=20]]"
QUICK = "quick [[demo tokens=3]]"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two web processes with keys; nobody has limits but those who are given some."""
    with running_stack(tmp_path_factory.mktemp("limits") / "data", PENSTOCK_AUTH="keys") as running:
        running.start_web()
        yield running


class Owner:
    """An owner with limits of their own, at the first of the web processes unless another is named."""

    def __init__(self, stack: Stack, **limits: int) -> None:
        self.name = f"owner-{secrets.token_hex(4)}"
        self.stack = stack
        self.headers = {"Authorization": f"Bearer {ApiKeys(stack.database).create(self.name)}"}
        if limits:
            self.limit(**limits)

    def limit(self, **limits: int) -> None:
        """Change the limits, and wait until every process knows."""
        LimitRegistry(self.stack.database, OwnerLimits()).change(self.name, limits)
        time.sleep(1.2)  # the promise is a second

    def post(self, text: str, web: int = 0, *, retry: int | None = None, **fields: Any) -> httpx2.Response:
        headers = {**self.headers, **({} if retry is None else {"x-stainless-retry-count": str(retry)})}
        body = {"input": text, "background": True, **fields}
        url = f"{self.stack.urls[web]}/v1/responses"
        return httpx2.post(url, headers=headers, json=body, timeout=30, trust_env=False)

    def get(self, path: str, web: int = 0, **headers: str) -> httpx2.Response:
        url = f"{self.stack.urls[web]}{path}"
        return httpx2.get(url, headers={**self.headers, **headers}, timeout=30, trust_env=False)

    def count(self, status: Status) -> int:
        mine = select(func.count()).where(jobs.c.owner == self.name, jobs.c.status == status)
        with self.stack.database.read() as connection:
            return int(connection.execute(mine).scalar_one())

    def end_all(self) -> None:
        for job in self.get("/v1/responses?limit=100").json()["data"]:
            url = f"{self.stack.urls[0]}/v1/responses/{job['id']}"
            httpx2.delete(url, headers=self.headers, timeout=30, trust_env=False)


def error_of(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 429, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


def test_requests_a_minute_hold_over_all_web_processes(limited: Stack) -> None:
    owner = Owner(limited, requests_a_minute=4)
    left = []
    for number in range(4):
        answer = owner.post(QUICK, web=number % 2)
        assert answer.status_code == 200
        left.append(answer.headers["x-ratelimit-remaining-requests"])
    assert left == ["3", "2", "1", "0"]
    refused = owner.post(QUICK, web=1)
    error = error_of(refused)
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "requests")
    assert "4 requests a minute" in error["message"]
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["x-ratelimit-limit-requests"] == "4"
    assert refused.headers["x-ratelimit-reset-requests"][-1] == "s"
    assert owner.get("/v1/responses").status_code == 200  # reading is no request to the model
    assert Owner(limited).post(QUICK).status_code == 200


def test_the_official_client_knows_the_error(limited: Stack) -> None:
    owner = Owner(limited, requests_a_minute=1)
    key = owner.headers["Authorization"].split()[1]
    with openai.OpenAI(base_url=f"{limited.url}/v1", api_key=key, max_retries=0) as client:
        client.responses.create(input=QUICK, background=True)
        with pytest.raises(openai.RateLimitError, match="requests a minute"):
            client.responses.create(input=QUICK, background=True)


def test_the_retry_of_a_refused_create_is_a_new_job(limited: Stack) -> None:
    owner = Owner(limited, requests_a_minute=1)
    first = owner.post(QUICK).json()["id"]
    assert owner.post(QUICK).status_code == 429
    owner.limit(requests_a_minute=100)
    assert owner.post(QUICK, web=1, retry=1).json()["id"] != first
    # A second retry is not that of a refusal: it gets the answer that it may have missed.
    assert owner.post(QUICK, retry=1).json()["id"] != ""
    assert len(owner.get("/v1/responses").json()["data"]) == 2


def test_jobs_running_and_queued_hold_and_others_go_on(limited: Stack) -> None:
    owner, other = Owner(limited, jobs_running=2, jobs_queued=3), Owner(limited)
    try:
        for _ in range(2):
            assert owner.post(SLOW).status_code == 200
        wait_for(lambda: owner.count(Status.IN_PROGRESS) == 2)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda number: owner.post(f"{SLOW} {number}", web=number % 2), range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 5
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert error_of(refused)["code"] == "rate_limit_exceeded"
        assert "3 jobs waiting" in error_of(refused)["message"]
        assert refused.headers["Retry-After"] == "5"
        job = other.post(QUICK).json()["id"]  # behind them in the queue, and not blocked by them
        wait_for(lambda: other.get(f"/v1/responses/{job}").json()["status"] == "completed")
        assert (owner.count(Status.IN_PROGRESS), owner.count(Status.QUEUED)) == (2, 3)
    finally:
        owner.end_all()


def test_open_streams_are_counted_over_all_web_processes(limited: Stack) -> None:
    owner = Owner(limited, open_streams=2)
    try:
        job = owner.post(SLOW).json()["id"]
        path = f"/v1/responses/{job}?stream=true"
        with (
            httpx2.stream("GET", f"{limited.urls[0]}{path}", headers=owner.headers, trust_env=False) as first,
            httpx2.stream("GET", f"{limited.urls[1]}{path}", headers=owner.headers, trust_env=False) as second,
        ):
            assert first.status_code == second.status_code == 200
            assert "2 streams open" in error_of(owner.get(path))["message"]
            assert error_of(owner.get(f"/jobs/{job}/live"))["code"] == "rate_limit_exceeded"
            before = len(owner.get("/v1/responses").json()["data"])
            assert owner.post(QUICK, stream=True).status_code == 429
            assert owner.post(QUICK, background=False).status_code == 429
            assert owner.post(QUICK).status_code == 200  # opens none
            assert len(owner.get("/v1/responses").json()["data"]) == before + 1
        wait_for(lambda: owner.post(QUICK, stream=True).status_code == 200)
    finally:
        owner.end_all()


def test_an_answer_that_never_ends_is_incomplete_at_its_limit(limited: Stack) -> None:
    owner = Owner(limited, answer_characters=2000)
    job = owner.post("endless [[demo tokens=20000]]").json()["id"]

    def ended() -> Any:
        found = owner.get(f"/v1/responses/{job}").json()
        return found if found["status"] not in ("queued", "in_progress") else None

    response = wait_for(ended)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    text = response["output"][-1]["content"][0]["text"]
    assert 2000 <= len(text) < 3000


def test_the_tokens_of_a_day_are_a_quota(limited: Stack) -> None:
    owner = Owner(limited, tokens_a_day=50)
    answer = owner.post("tokens [[demo tokens=100]]")
    assert answer.headers["x-ratelimit-remaining-tokens"] == "50"
    wait_for(lambda: TokenBudget(limited.database).spent(owner.name) >= 100)
    refused = owner.post(QUICK, web=1)
    assert error_of(refused)["code"] == error_of(refused)["type"] == "insufficient_quota"
    assert refused.headers["x-should-retry"] == "false"
    assert int(refused.headers["Retry-After"]) <= 86_400
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"


def test_a_job_whose_model_counts_nothing_costs_what_it_wrote(limited: Stack) -> None:
    owner = Owner(limited, answer_characters=4000)
    owner.post("endless [[demo tokens=20000]]")
    assert wait_for(lambda: TokenBudget(limited.database).spent(owner.name)) >= 1000


@pytest.mark.parametrize(
    ("language", "words"), [("en", "You may send 1 requests a minute"), ("zh", "每分钟最多可发送 1 个请求")]
)
def test_the_page_says_it_and_keeps_the_form(limited: Stack, language: str, words: str) -> None:
    owner = Owner(limited, requests_a_minute=1)
    owner.post(QUICK)
    cookies = {"lang": language}
    with httpx2.Client(base_url=limited.urls[0], headers=owner.headers, cookies=cookies, trust_env=False) as browser:
        form = {"prompt": "", "request.input": "my own words"}
        page = browser.post("/jobs", data=form)
        assert page.status_code == 429
        assert words in page.text
        assert "my own words" in page.text
        job = owner.get("/v1/responses").json()["data"][0]["id"]
        wait_for(lambda: owner.get(f"/v1/responses/{job}").json()["status"] == "completed")
        page = browser.post(f"/jobs/{job}/retry")
        assert page.status_code == 429
        assert words in page.text


@pytest.mark.parametrize("limit", ["requests_a_minute", "open_streams"])
def test_while_redis_is_away_nobody_is_refused(limited: Stack, limit: str) -> None:
    owner = Owner(limited, **{limit: 1})
    assert owner.post(QUICK).status_code == 200
    with limited.frozen_redis():
        for _ in range(2):
            assert owner.post(QUICK, stream=False).status_code == 200
    wait_for(limited.redis.ping)


def test_without_limits_a_create_asks_nothing_of_them(limited: Stack) -> None:
    owner = Owner(limited)
    answer = owner.post(QUICK)
    assert [name for name in answer.headers if name.startswith("x-ratelimit")] == []
    assert limited.redis.keys(f"penstock:limits:*{owner.name}*") == []


def test_limits_are_json_free_numbers(limited: Stack) -> None:
    registry = LimitRegistry(limited.database, OwnerLimits(jobs_queued=7))
    name = f"owner-{secrets.token_hex(4)}"
    assert registry.change(name, {"jobs_queued": 0, "open_streams": 3}) == {"jobs_queued": 0, "open_streams": 3}
    assert registry.of(name) == OwnerLimits(open_streams=3)
    assert registry.change(name, {"jobs_queued": None, "open_streams": None}) == {}
    assert registry.of(name) == OwnerLimits(jobs_queued=7)
    assert json.loads(json.dumps(registry.overrides())).get(name) is None
