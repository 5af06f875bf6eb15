"""Sign-in of a browser: what its cookie opens, for how long, and to whom not."""

from __future__ import annotations

import secrets
import stat
from collections.abc import Iterator

import httpx2
import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from jobs.storage.api_keys import ApiKeys
from tests.support.stack import Stack, running_stack
from tests.support.wire import create

HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock that wants keys."""
    with running_stack(tmp_path_factory.mktemp("keys") / "data", PENSTOCK_AUTH="keys") as running:
        yield running


@pytest.fixture(scope="module")
def keys(locked: Stack) -> ApiKeys:
    return ApiKeys(locked.database)


@pytest.fixture
def browser(locked: Stack, keys: ApiKeys) -> Iterator[httpx2.Client]:
    """A browser that has signed in with a key of its own."""
    with httpx2.Client(base_url=locked.url, trust_env=False, headers=HTML) as client:
        secret = keys.create(secrets.token_hex(4))
        answer = client.post("/signin", data={"key": f" {secret} "}, headers={"Origin": locked.url})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in answer.headers["Set-Cookie"].split(";")}
        assert secret not in answer.headers["Set-Cookie"]
        yield client


def test_a_browser_without_a_cookie_is_shown_the_way(locked: Stack) -> None:
    with httpx2.Client(base_url=locked.url, trust_env=False, headers=HTML) as client:
        answer = client.get("/")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/signin")
        assert "key" in client.get("/signin").text
        assert client.get("/v1/responses").status_code == 401  # a program is told, not led
        assert client.post("/signin", data={"key": "sk-penstock-wrong"}).status_code == 401
        assert client.get("/").status_code == 303


def test_invariant_8_owner_only_holds_for_cookies(locked: Stack, keys: ApiKeys, browser: httpx2.Client) -> None:
    made = browser.post("/jobs", data={"prompt": "story", "topic": "mine"}, headers={"Origin": locked.url})
    job_id = made.headers["Location"].rpartition("/")[2]
    assert browser.get(f"/v1/responses/{job_id}").status_code == 200
    stranger = create(
        locked.url, {"Authorization": f"Bearer {keys.create('stranger')}"}, input="not yours [[demo tokens=2]]"
    )["id"]
    for path in (
        f"/v1/responses/{stranger}",
        f"/jobs/{stranger}",
        f"/jobs/{stranger}.md",
        f"/v1/responses/{stranger}/input_items",
    ):
        assert browser.get(path).status_code == 404
    assert stranger not in browser.get("/").text


def test_a_cookie_serves_no_other_page(locked: Stack, browser: httpx2.Client) -> None:
    for headers in ({"Origin": "https://example.com"}, {"Sec-Fetch-Site": "cross-site"}):
        for path in ("/jobs", "/signout", "/signin"):
            answer = browser.post(path, data={"prompt": "story", "topic": "forged", "key": "x"}, headers=headers)
            assert answer.status_code == 403
    assert "forged" not in browser.get("/").text


def test_a_cookie_ends_with_its_key_and_at_the_door(locked: Stack, keys: ApiKeys, browser: httpx2.Client) -> None:
    assert browser.get("/").status_code == 200
    newest_key = keys.list()[-1].id
    assert keys.revoke(newest_key)
    assert browser.get("/").status_code == 303
    assert (
        browser.post("/signin", data={"key": keys.create("again")}, headers={"Origin": locked.url}).status_code == 303
    )
    assert browser.get("/").status_code == 200
    assert browser.post("/signout", headers={"Origin": locked.url}).status_code == 303
    assert browser.get("/").status_code == 303


def test_a_forged_cookie_opens_nothing(locked: Stack, keys: ApiKeys) -> None:
    keys.create("victim")
    forged = Flask("forged")
    forged.secret_key = "guessed"
    signer = SecureCookieSessionInterface().get_signing_serializer(forged)
    assert signer is not None
    cookie = signer.dumps({"key": keys.list()[-1].id})
    with httpx2.Client(base_url=locked.url, trust_env=False, headers=HTML, cookies={"penstock": str(cookie)}) as client:
        assert client.get("/").status_code == 303
        assert client.get("/v1/responses").status_code == 401


def test_all_web_processes_sign_with_one_secret(locked: Stack, browser: httpx2.Client) -> None:
    other = locked.start_web()
    try:
        with httpx2.Client(base_url=other, trust_env=False, headers=HTML, cookies=browser.cookies) as client:
            assert client.get("/").status_code == 200
        assert stat.S_IMODE((locked.directory / "secret").stat().st_mode) == 0o600
    finally:
        locked.webs[-1].kill()
        locked._listeners.pop().socket.close()
