"""Who is let in: nobody who was sent by another web page, and with keys nobody but the owner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from jobs.storage.access.api_keys import ApiKeys
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create, fetch, request

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BODY = b'{"input": "smuggled", "background": true}'


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock that wants keys."""
    with running_stack(tmp_path_factory.mktemp("keys") / "data", PENSTOCK_AUTH="keys") as running:
        yield running


@pytest.fixture(scope="module")
def keys(locked: Stack) -> ApiKeys:
    return ApiKeys(locked.database)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def port_of(running: Stack) -> int:
    return urlsplit(running.url).port or 0


def newest(running: Stack) -> Any:
    return fetch(running.url, "/v1/responses?limit=1")[1]["first_id"]


# -- other web pages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["example.com", "127.0.0.1.example.com", "localhost.example.com:{port}", "evil:{port}", "[::2]:{port}", "[", "@"],
)
def test_a_name_that_was_made_to_point_here_is_refused(penstock: Stack, host: str) -> None:
    before = newest(penstock)
    headers = {"Host": host.format(port=port_of(penstock))}
    for method, path in (("GET", "/"), ("GET", "/v1/responses"), ("POST", "/v1/responses"), ("POST", "/jobs")):
        body = BODY if method == "POST" else None
        with request(penstock.url, path, method=method, headers=headers, body=body) as answer:
            assert answer.status in (400, 403), answer.read()
    assert newest(penstock) == before


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://example.com",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        "http://{host}.example.com",
        "http://x@{host}",
        "file://",
        "",
    ],
)
def test_another_page_is_refused(penstock: Stack, origin: str) -> None:
    before = newest(penstock)
    headers = {"Origin": origin.format(host=urlsplit(penstock.url).netloc)}
    for path, body, more in (
        ("/v1/responses", BODY, {"Content-Type": "text/plain"}),
        ("/jobs", b"prompt=story&topic=smuggled", FORM),
    ):
        status, answer = fetch(penstock.url, path, method="POST", headers=headers | more, body=body)
        assert (status, answer["error"]["type"]) == (403, "permission_error")
    assert newest(penstock) == before


@pytest.mark.parametrize(
    "sent", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"}]
)
def test_a_form_of_another_page_is_refused(penstock: Stack, sent: dict[str, str]) -> None:
    before = newest(penstock)
    headers = {"Sec-Fetch-Mode": "navigate", **FORM, **sent}
    status, _ = fetch(penstock.url, "/jobs", method="POST", headers=headers, body=b"prompt=story&topic=smuggled")
    assert status == 403
    assert newest(penstock) == before


def test_another_page_cannot_end_a_job(penstock: Stack) -> None:
    job = create(penstock.url, input="keep going [[demo rate=10 tokens=500]]")["id"]
    for path in (f"/jobs/{job}/cancel", f"/v1/responses/{job}/cancel"):
        for headers in ({"Origin": "http://example.com"}, {"Sec-Fetch-Site": "cross-site"}):
            with request(penstock.url, path, method="POST", headers=headers) as answer:
                assert answer.status == 403
    status, _ = fetch(penstock.url, f"/v1/responses/{job}", method="DELETE", headers={"Origin": "http://example.com"})
    assert status == 403
    assert fetch(penstock.url, f"/v1/responses/{job}")[1]["status"] in ("queued", "in_progress")
    assert fetch(penstock.url, f"/v1/responses/{job}/cancel", method="POST")[0] == 200


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_this_machine_is_let_in(penstock: Stack, name: str) -> None:
    host = f"{name}:{port_of(penstock)}"
    for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}):
        assert fetch(penstock.url, "/v1/responses?limit=1", headers=headers)[0] == 200
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert create(penstock.url, headers=headers, input="let in [[demo tokens=1]]")["status"] == "queued"


# -- keys ----------------------------------------------------------------------------------------------------------


def test_without_a_good_key_nothing_is_answered(locked: Stack, keys: ApiKeys) -> None:
    revoked = keys.create("anna")
    (key_id,) = [key.id for key in keys.list() if key.owner == "anna"]
    assert fetch(locked.url, "/v1/responses", headers=bearer(revoked))[0] == 200
    assert keys.revoke(key_id)
    bad: list[dict[str, str]] = [
        {},
        bearer(revoked),
        bearer(""),
        bearer("sk-penstock-wrong"),
        bearer(f"{revoked} {revoked}"),
        {"Authorization": revoked},
        {"Authorization": f"Basic {revoked}"},
        {"Authorization": "Bearer é"},
        {"Cookie": f"session={revoked}"},
    ]
    for headers in bad:
        for method, path in (
            ("GET", "/v1/responses"),
            ("POST", "/v1/responses"),
            ("GET", "/v1/responses/resp_x"),
            ("DELETE", "/v1/responses/resp_x"),
            ("POST", "/v1/responses/resp_x/cancel"),
            ("GET", "/v1/models"),
            ("GET", "/jobs/resp_x.md"),
            ("POST", "/jobs/resp_x/cancel"),
        ):
            with request(locked.url, path, method=method, headers=headers) as answer:
                assert answer.status == 401, (path, headers)
                assert revoked not in answer.read().decode()
    assert fetch(locked.url, "/v1/responses", headers=bearer(""))[1]["error"]["code"] == "invalid_api_key"
    assert fetch(locked.url, "/healthz")[0] == 200


def test_a_name_is_no_obstacle_where_keys_are_wanted(locked: Stack, keys: ApiKeys) -> None:
    headers = bearer(keys.create("named")) | {"Host": "penstock.example.com"}
    assert fetch(locked.url, "/v1/responses", headers=headers)[0] == 200
    assert fetch(locked.url, "/v1/responses", headers=headers | {"Origin": "https://evil.example.com"})[0] == 403


def test_invariant_8_owner_only(locked: Stack, keys: ApiKeys) -> None:
    owner, second, stranger = bearer(keys.create("owner")), bearer(keys.create("owner")), bearer(keys.create("other"))
    ended = create(locked.url, headers=owner, input="mine [[demo tokens=5]]")["id"]
    running = create(locked.url, headers=owner, input="mine too [[demo rate=10 tokens=900]]")["id"]
    wait_for(lambda: fetch(locked.url, f"/v1/responses/{ended}", headers=second)[1]["status"] == "completed")
    wait_for(lambda: fetch(locked.url, f"/v1/responses/{running}", headers=second)[1]["output"])

    for job in (ended, running):
        answers = {
            _answer(locked, method, path.format(job), headers=stranger | more, same_as=job)
            for method, path, more in _ROUTES
        }
        nobody = "resp_" + "0" * 40
        assert answers == {
            _answer(locked, method, path.format(nobody), headers=stranger | more, same_as=nobody)
            for method, path, more in _ROUTES
        }
        assert {status for status, _ in answers} == {404}

    assert fetch(locked.url, "/v1/responses", headers=stranger)[1]["data"] == []
    assert fetch(locked.url, f"/v1/responses?after={ended}", headers=stranger)[0] == 404
    with request(locked.url, "/", headers=stranger) as page:
        assert ended not in page.read().decode()
    form = f"images_of={ended}&request.input=x".encode()
    asked = {**stranger, "Content-Type": "application/x-www-form-urlencoded"}
    with request(locked.url, "/jobs", method="POST", headers=asked, body=form) as page:
        assert page.status == 404
    # None of this has touched the owner's jobs, which any key of the owner's reaches.
    assert fetch(locked.url, f"/v1/responses/{running}", headers=second)[1]["status"] == "in_progress"
    listed = fetch(locked.url, "/v1/responses", headers=second)[1]["data"]
    assert {job["id"] for job in listed} == {ended, running}
    assert fetch(locked.url, f"/v1/responses/{running}/cancel", method="POST", headers=second)[1]["output"]
    assert fetch(locked.url, f"/v1/responses/{ended}", method="DELETE", headers=second)[0] == 200


_ROUTES: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "/v1/responses/{}", {}),
    ("GET", "/v1/responses/{}?stream=true", {}),
    ("GET", "/v1/responses/{}?stream=true&starting_after=2", {}),
    ("GET", "/v1/responses/{}", {"Accept": "text/event-stream"}),
    ("GET", "/v1/responses/{}", {"Accept": "text/event-stream", "Last-Event-ID": "1"}),
    ("GET", "/v1/responses/{}/input_items", {}),
    ("POST", "/v1/responses/{}/cancel", {}),
    ("POST", "/v1/responses/{}/retry", {}),
    ("DELETE", "/v1/responses/{}", {}),
    ("GET", "/jobs/{}", {}),
    ("GET", "/jobs/{}.md", {}),
    ("GET", "/jobs/{}.txt", {}),
    ("GET", "/jobs/{}.html", {}),
    ("GET", "/jobs/{}.json", {}),
    ("GET", "/jobs/{}/live", {"Accept": "text/event-stream"}),
    ("POST", "/jobs/{}/cancel", {}),
]


def _answer(locked: Stack, method: str, path: str, *, headers: dict[str, str], same_as: str) -> tuple[int, str]:
    """Status and text of an answer; what it says of the job must not tell that the job exists."""
    with request(locked.url, path, method=method, headers=headers) as answer:
        return answer.status, answer.read().decode().replace(same_as, "THE JOB")


def test_an_idempotency_key_is_the_owners_own(locked: Stack, keys: ApiKeys) -> None:
    asked = {"input": "keyed [[demo tokens=1]]"}
    owners = [bearer(keys.create(name)) | {"Idempotency-Key": "same"} for name in ("eve", "adam")]
    first, other = (create(locked.url, headers=headers, **asked)["id"] for headers in owners)
    assert first != other
    assert create(locked.url, headers=owners[0], **asked)["id"] == first
    body = json.dumps({"input": "different", "background": True}).encode()
    assert fetch(locked.url, "/v1/responses", method="POST", headers=owners[0], body=body)[0] == 400
