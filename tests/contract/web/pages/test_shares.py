"""Shares: whoever has the link reads the text, live and as files, and nothing else; until it is taken back."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import IncompleteRead
from typing import Any
from urllib.parse import urlencode, urlsplit
from zipfile import ZipFile

import pytest
from sqlalchemy import update

from jobs.protocol.ids import new_job_id
from jobs.storage.access.api_keys import ApiKeys
from jobs.storage.shares.shares import MOST_SHARES, Shares
from jobs.storage.shares.tables import shares
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.up import ask
from tests.support.wire import blocks, create, fetch, request

OWNER = "olga-the-owner"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ASKED = "# The title\n\nwritten words {} [[demo echo think=20]]"
VIEWERS = 100


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock that wants keys."""
    with running_stack(tmp_path_factory.mktemp("shares") / "data", PENSTOCK_AUTH="keys") as running:
        yield running


@pytest.fixture(scope="module")
def key(locked: Stack) -> dict[str, str]:
    return bearer(ApiKeys(locked.database).create(OWNER))


@pytest.fixture(scope="module")
def other_key(locked: Stack) -> dict[str, str]:
    return bearer(ApiKeys(locked.database).create("somebody-else"))


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def shared(stack: Stack, key: dict[str, str], job_id: str, **body: float) -> Any:
    status, share = api(stack, key, f"/v1/responses/{job_id}/shares", method="POST", body=body)
    assert status == 200, share
    return share


def api(stack: Stack, key: dict[str, str], path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    return fetch(stack.url, path, method=method, headers=key, body=json.dumps(body).encode() if body else b"")


def ended(stack: Stack, key: dict[str, str], job_id: str) -> Any:
    wait_for(lambda: api(stack, key, f"/v1/responses/{job_id}")[1]["status"] not in ("queued", "in_progress"), 60)
    return api(stack, key, f"/v1/responses/{job_id}")[1]


def text_of(job: Any) -> str:
    return "".join(item["content"][0]["text"] for item in job["output"] if item["type"] == "message")


def path_of(share: Any) -> str:
    path: str = urlsplit(share["url"]).path
    return path


def seen(stack: Stack, path: str, **headers: str) -> tuple[int, str]:
    """What somebody without a key sees. What every answer behind a link has to say is checked on the way."""
    with request(stack.url, path, headers=headers) as answer:
        assert answer.headers["Set-Cookie"] is None
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer.headers["X-Robots-Tag"]
        return answer.status, answer.read().decode()


def test_a_link_shows_the_text_and_nothing_else(locked: Stack, key: dict[str, str]) -> None:
    hidden = {"instructions": "hush hush", "metadata": {"a": "private note"}}
    job = create(locked.url, key, input=ASKED.format("zebra"), **hidden)
    whole = ended(locked, key, job["id"])
    share = shared(locked, key, job["id"], days=2)
    assert round((share["expires_at"] - share["created_at"]) / 86400) == 2
    path = path_of(share)
    answers = {suffix: seen(locked, path + suffix) for suffix in ("", ".md", ".txt", ".html", "/live")}
    assert {status for status, _ in answers.values()} == {200}
    assert answers[".md"][1] == answers[".txt"][1] == text_of(whole)
    secrets = [job["id"], OWNER, whole["model"], "hush hush", "private note", *(item["id"] for item in whole["output"])]
    thought = whole["output"][0]["content"][0]["text"]
    for suffix, (_, text) in answers.items():
        assert "zebra" in text, suffix
        assert [secret for secret in [*secrets, thought[:30]] if secret in text] == [], suffix
    assert "<title>The title</title>" in answers[""][1] + answers[".html"][1]
    with request(locked.url, f"{path}.docx") as answer:
        assert answer.status == 200
        assert "The title.docx" in answer.headers["Content-Disposition"]
        with ZipFile(io.BytesIO(answer.read())) as parts:
            document = "".join(parts.read(name).decode("utf-8", "replace") for name in parts.namelist())
    assert "zebra" in document
    assert [secret for secret in [*secrets, thought[:30]] if secret in document] == []
    token = path.rpartition("/")[2]
    logs = "".join(log.read_text() for log in locked.directory.glob("*.log"))
    assert token not in logs
    with locked.database.read() as connection:
        assert token not in str(connection.execute(shares.select()).all())


def test_a_running_job_is_read_by_many_at_once(locked: Stack, key: dict[str, str]) -> None:
    job = create(locked.url, key, input="many viewers [[demo rate=100 tokens=300 think=20]]")["id"]
    path = path_of(shared(locked, key, job))

    def watch(_number: int) -> list[str]:
        with request(locked.url, f"{path}/live") as answer:
            return [block.decode() for block in blocks(answer) if not block.startswith(b":")]

    with ThreadPoolExecutor(VIEWERS) as pool:
        streams = list(pool.map(watch, range(VIEWERS)))
    whole = ended(locked, key, job)
    texts = set()
    for stream in streams:
        events = [dict(re.findall(r"(?m)^(\w+): (.*)$", block)) for block in stream]
        states = [json.loads(event["data"]) for event in events if event["event"] == "state"]
        assert states[-1]["status"] == "completed"
        assert {name for state in states for name in state} == {"status", "items", "words"}
        items = [item for state in states for item in state["items"]]
        assert {name for item in items for name in item} == {"index", "section", "status", "words"}
        texts.add("".join(json.loads(event["data"])["html"] for event in events if event["event"] == "block"))
    assert len(texts) == 1  # the same for all
    assert text_of(whole).split()[-1] in texts.pop()
    assert whole["output"][0]["content"][0]["text"][:30] not in "".join(streams[0])


def test_a_shared_job_outlives_its_worker_and_the_web(locked: Stack, key: dict[str, str]) -> None:
    job = create(locked.url, key, input="outlives [[demo rate=40 tokens=120]]")["id"]
    path = path_of(shared(locked, key, job))
    locked.model.wait("outlives", "first_token")
    locked.lose(locked.runner(job))
    locked.webs[-1].kill()
    locked.start_worker()
    locked.restart_web()
    status, text = seen(locked, f"{path}.md")
    assert (status, text) == (200, text_of(ended(locked, key, job)))


def test_a_link_that_is_taken_back_leads_nowhere_and_ends_its_streams(locked: Stack, key: dict[str, str]) -> None:
    job = create(locked.url, key, input="taken back [[demo rate=5 tokens=5000]]")["id"]
    share, kept = shared(locked, key, job), shared(locked, key, job)
    path = path_of(share)
    with request(locked.url, f"{path}/live") as live, request(locked.url, f"{path}.md") as text:
        assert live.read1()
        answer = api(locked, key, f"/v1/shares/{share['id']}", method="DELETE")
        assert answer == (200, {"id": share["id"], "object": "response.share.deleted", "deleted": True})
        for stream in (live, text):
            with pytest.raises((IncompleteRead, ConnectionError)):  # its connection is shut, as with a revoked key
                stream.read()
    assert api(locked, key, f"/v1/responses/{job}")[1]["status"] == "in_progress"
    for suffix in ("", ".md", ".html", "/live"):
        assert seen(locked, path + suffix)[0] == 404
    assert seen(locked, path_of(kept))[0] == 200
    assert api(locked, key, f"/v1/shares/{share['id']}", method="DELETE")[0] == 404
    api(locked, key, f"/v1/responses/{job}", method="DELETE")
    assert seen(locked, path_of(kept))[0] == 404


def test_a_link_expires(locked: Stack, key: dict[str, str]) -> None:
    job = create(locked.url, key, input="expires [[demo tokens=3]]")["id"]
    share = shared(locked, key, job)
    with locked.database.write() as connection:
        connection.execute(update(shares).where(shares.c.id == share["id"]).values(expires_at=1.0))
    assert seen(locked, path_of(share))[0] == 404
    assert api(locked, key, f"/v1/responses/{job}/shares")[1]["data"] == []
    shared(locked, key, job)
    assert api(locked, key, f"/v1/shares?after={share['id']}")[0] == 400  # it was removed on the way


def test_what_cannot_be_shared_is_refused(locked: Stack, key: dict[str, str], other_key: dict[str, str]) -> None:
    job = create(locked.url, key, input="mine [[demo tokens=3]]")["id"]
    share = shared(locked, key, job)
    for days in (0.0, -1.0, 366.0):
        status, answer = api(locked, key, f"/v1/responses/{job}/shares", method="POST", body={"days": days})
        assert (status, answer["error"]["param"]) == (400, "days")
    shares_of = f"/v1/responses/{job}/shares"
    assert api(locked, other_key, shares_of, method="POST")[0] == api(locked, other_key, shares_of)[0] == 404
    assert api(locked, other_key, f"/v1/shares/{share['id']}", method="DELETE")[0] == 404
    assert api(locked, other_key, "/v1/shares")[1]["data"] == []
    assert api(locked, key, f"/v1/responses/{new_job_id()}/shares")[0] == 404
    for method in ("GET", "POST"):
        for path in (f"/jobs/{job}/share", f"/jobs/{new_job_id()}/share"):
            with request(locked.url, path, method=method, headers=other_key) as answer:
                assert answer.status == 404
    for path in ("/s/x", "/s/", f"/s/{share['id']}", "/s/%00"):
        with request(locked.url, path) as answer:
            assert answer.status in (404, 401)
    store = Shares(locked.database)
    for _ in range(MOST_SHARES - 1):
        store.create(OWNER, job, 1)
    status, answer = api(locked, key, shares_of, method="POST")
    assert (status, "as many as it may" in answer["error"]["message"]) == (400, True)


def test_the_command_line_shares_lists_and_takes_back(penstock: Stack) -> None:
    job = create(penstock.url, input="by command [[demo tokens=3]]")["id"]
    made = ask(penstock.url, "share", job, "--days", "0.5")
    share_id = made.stderr.split()[0]
    path = urlsplit(made.stdout.strip()).path
    assert seen(penstock, path)[0] == 200
    assert share_id in ask(penstock.url, "share", job, "--list").stdout
    assert share_id in ask(penstock.url, "share", "--list").stdout
    assert json.loads(ask(penstock.url, "share", job, "--json").stdout)["url"].startswith(penstock.url)
    assert ask(penstock.url, "share", "--revoke", share_id).exit_code == 0
    assert seen(penstock, path)[0] == 404
    assert ask(penstock.url, "share", "--revoke", share_id).exit_code == 5
    assert ask(penstock.url, "share").exit_code == 2


def test_the_page_makes_a_link_and_takes_it_back(penstock: Stack) -> None:
    job = create(penstock.url, input="by page [[demo tokens=3]]")["id"]
    page = f"/jobs/{job}/share"
    with request(penstock.url, f"/jobs/{job}") as answer:
        assert page in answer.read().decode()
    with request(penstock.url, page, method="POST", headers=FORM, body=b"days=3") as answer:
        text = answer.read().decode()
    path = re.findall(r'href="[^"]*(/s/[\w-]+)"', text)[0]
    assert seen(penstock, path)[0] == 200
    with request(penstock.url, page) as answer:
        again = answer.read().decode()
    assert path not in again  # it is shown once
    share_id = re.findall(r'name="revoke" value="(\w+)"', again)[0]
    for _ in range(2):  # a second press is no error
        sent = urlencode({"revoke": share_id}).encode()
        with request(penstock.url, page, method="POST", headers=FORM, body=sent) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, page)
    assert seen(penstock, path)[0] == 404
    with request(penstock.url, page, method="POST", headers=FORM, body=b"days=never") as answer:
        assert answer.status == 400
        assert 'role="alert"' in answer.read().decode()
