"""Webhooks of a running Penstock: by API, page and command line, as a receiver with the official client sees them."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from sqlalchemy import update

from jobs.storage.access.api_keys import ApiKeys
from jobs.storage.schema import webhook_deliveries
from jobs.storage.webhooks.deliveries import WebhookDeliveries
from jobs.webhooks.events import EVENT_TYPES
from tests.support.process import Process
from tests.support.receiver import Received, Receiver, receiver
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.up import ROOT, ask, clean_environment

FAST: dict[str, Any] = {"input": "told [[demo tokens=3]]", "background": True}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("stack") / "data"
    with running_stack(directory, PENSTOCK_AUTH="keys", PENSTOCK_WEBHOOK_ALLOW_PRIVATE="true") as running:
        yield running


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


class Owner:
    """An owner, by whatever way they ask."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.name = name
        self.key = ApiKeys(stack.database).create(name)
        self.url = stack.url
        self.client = stack.client(api_key=self.key)
        headers = {"Authorization": f"Bearer {self.key}"}
        self.browser = httpx2.Client(base_url=stack.url, trust_env=False, headers=headers, timeout=60)

    def run(self, *arguments: str) -> str:
        done = ask(self.url, *arguments, "--api-key", self.key)
        assert done.exit_code == 0, done.output
        return done.stdout

    def ended(self, **body: Any) -> str:
        job_id: str = self.client.responses.create(**{**FAST, **body}).id
        list(self.client.responses.retrieve(job_id, stream=True))
        return job_id

    def deliveries(self, job_id: str) -> list[dict[str, Any]]:
        listed = self.browser.get("/v1/webhook_deliveries", params={"limit": 100}).json()["data"]
        return [delivery for delivery in listed if delivery["data"]["id"] == job_id]

    def settled(self, job_id: str, status: str) -> dict[str, Any]:
        """The only delivery of a job, as soon as it has a status and an answer."""
        return wait_for(
            lambda: next(
                (
                    found
                    for found in self.deliveries(job_id)
                    if found["status"] == status and (found["status_code"] or found["problem"])
                ),
                None,
            ),
            60,
        )


@pytest.fixture
def owner(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Owner]:
    made = Owner(stack, re.sub(r"\W", "-", request.node.name)[:60])
    with made.browser:
        yield made


def unwrapped(owner: Owner, request: Received, secret: str) -> Any:
    return owner.client.webhooks.unwrap(request.body, request.headers, secret=secret)


def test_an_end_is_told_so_that_the_official_client_takes_it(owner: Owner, endpoint: Receiver) -> None:
    made = owner.client.webhooks.create(name="mine", url=f"{endpoint.url}/told", event_types=["response.completed"])
    job_id = owner.ended()
    [request] = endpoint.at("/told")
    event = unwrapped(owner, request, made.signing_secret)
    assert (event.type, event.data.id) == ("response.completed", job_id)
    assert owner.client.responses.retrieve(event.data.id).status == "completed"
    delivery = owner.settled(job_id, "delivered")
    assert (delivery["status_code"], delivery["attempts"], delivery["url"]) == (204, 1, None)
    assert delivery["id"] == request.headers["webhook-id"]
    owner.ended(background=False)
    owner.ended(input="cut", max_output_tokens=3)
    again = owner.ended()
    requests = endpoint.at("/told", 2)
    assert [each.event["data"]["id"] for each in requests] == [job_id, again]


def test_a_refused_delivery_is_sent_again_under_the_same_id_with_a_new_time(
    owner: Owner, endpoint: Receiver, stack: Stack
) -> None:
    endpoint.statuses["/broken"] = 302
    made = owner.client.webhooks.create(name="mine", url=f"{endpoint.url}/broken", event_types=["response.completed"])
    job_id = owner.ended()
    delivery = owner.settled(job_id, "pending")
    assert delivery["status_code"] == 302
    assert delivery["next_attempt_at"] - time.time() < 8
    endpoint.statuses["/broken"] = 200
    with stack.database.write() as connection:
        mine = update(webhook_deliveries).where(webhook_deliveries.c.id == delivery["id"])
        connection.execute(mine.values(due_at=0))
    first, second = endpoint.at("/broken", 2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery["id"]
    assert first.body == second.body
    assert unwrapped(owner, second, made.signing_secret).data.id == job_id
    assert not endpoint.seen("/elsewhere")
    assert owner.settled(job_id, "delivered")["attempts"] == 2
    resent = owner.browser.post(f"/v1/webhook_deliveries/{delivery['id']}/resend").json()
    assert resent["status"] == "pending"
    assert endpoint.at("/broken", 3)[2].headers["webhook-id"] == delivery["id"]


def test_an_endpoint_that_hangs_delays_nobody_else(owner: Owner, endpoint: Receiver, stack: Stack) -> None:
    endpoint.hanging.add("/hangs")
    made = owner.client.webhooks.create(name="hangs", url=f"{endpoint.url}/hangs", event_types=["response.completed"])
    deliveries = WebhookDeliveries(stack.database)
    for _ in range(80):  # more than a worker sends at once
        deliveries.try_once(owner.name, made.id, "response.completed", "resp_1")
    endpoint.at("/hangs")
    other = Owner(stack, "other")
    with other.browser:
        other.client.webhooks.create(name="well", url=f"{endpoint.url}/well", event_types=["response.completed"])
        job_id = other.ended()
        assert endpoint.at("/well")[0].event["data"]["id"] == job_id
    assert len(endpoint.seen("/hangs")) < 60
    owner.client.webhooks.delete(made.id)


def test_a_job_names_an_address_of_its_own(owner: Owner, endpoint: Receiver) -> None:
    own = {"penstock": {"webhook": f"{endpoint.url}/own"}}
    with pytest.raises(openai.BadRequestError, match="penstock webhooks secret"):
        owner.client.responses.create(**FAST, extra_body=own)
    secret = owner.run("webhooks", "secret").strip()
    job_id = owner.ended(extra_body=own)
    [request] = endpoint.at("/own")
    assert unwrapped(owner, request, secret).data.id == job_id
    assert owner.settled(job_id, "delivered")["url"] == f"{endpoint.url}/own"
    with pytest.raises(openai.BadRequestError, match="background"):
        owner.client.responses.create(input="x", extra_body=own)
    with pytest.raises(openai.BadRequestError, match="address like"):
        owner.client.responses.create(**FAST, extra_body={"penstock": {"webhook": "example.com"}})
    with pytest.raises(openai.BadRequestError, match="background"):
        owner.client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "hello"}], extra_body=own
        )


def test_the_official_client_manages_endpoints(owner: Owner, endpoint: Receiver) -> None:
    webhooks = owner.client.webhooks
    made = webhooks.create(name="mine", url=f"{endpoint.url}/managed", event_types=["response.failed"])
    assert made.signing_secret.endswith((made.signing_secret_hint or "")[-4:])
    assert "signing_secret" not in webhooks.retrieve(made.id).to_dict()
    changed = webhooks.update(made.id, name="ours", event_types=["response.completed"])
    assert (changed.name, changed.url, changed.event_types) == ("ours", made.url, ["response.completed"])
    assert [each.id for each in webhooks.list()] == [made.id]
    tested = webhooks.test(made.id, event_type="response.cancelled")
    assert (tested.status_code, tested.success) == (204, True)
    rotated = webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
    owner.ended()
    _sample, request = endpoint.at("/managed", 2)
    for secret in (made.signing_secret, rotated.signing_secret):
        assert unwrapped(owner, request, secret).type == "response.completed"
    assert webhooks.event_types.list().data == list(EVENT_TYPES)
    assert webhooks.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        webhooks.retrieve(made.id)
    wrong: list[dict[str, Any]] = [
        *({"url": "http://"}, {"event_types": ["response.queued"]}, {"event_types": []}, {"name": "a\nb"})
    ]
    good: dict[str, Any] = {"name": "mine", "url": endpoint.url, "event_types": ["response.failed"]}
    for bad in wrong:
        with pytest.raises(openai.BadRequestError) as refused:
            webhooks.create(**{**good, **bad})
        assert refused.value.param == next(iter(bad))


def test_another_owner_finds_nothing(owner: Owner, endpoint: Receiver, stack: Stack) -> None:
    made = owner.client.webhooks.create(name="mine", url=f"{endpoint.url}/private", event_types=["response.completed"])
    delivery = owner.settled(owner.ended(), "delivered")["id"]
    stranger = Owner(stack, "stranger")
    with stranger.browser as browser:
        endpoint_path = f"/v1/webhook_endpoints/{made.id}"
        delivery_path = f"/v1/webhook_deliveries/{delivery}"
        answers = [
            browser.get(endpoint_path),
            browser.post(endpoint_path, json={"name": "stolen"}),
            browser.delete(endpoint_path),
            browser.post(f"{endpoint_path}/rotate_secret"),
            browser.post(f"{endpoint_path}/test", json={"event_type": "response.completed"}),
            browser.get(delivery_path),
            browser.post(f"{delivery_path}/resend"),
            browser.post("/webhooks", data={"act": "delete", "id": made.id}),
            browser.post("/webhooks", data={"act": "resend", "id": delivery}),
        ]
        assert [answer.status_code for answer in answers] == [404] * len(answers)
        assert browser.get("/v1/webhook_deliveries").json()["data"] == []
        assert made.id not in browser.get("/webhooks").text
    assert owner.client.webhooks.retrieve(made.id).name == "mine"


def test_the_end_of_a_batch_is_told_and_other_owners_find_neither_it_nor_its_files(
    owner: Owner, endpoint: Receiver, stack: Stack
) -> None:
    made = owner.client.webhooks.create(name="mine", url=f"{endpoint.url}/batch", event_types=["batch.completed"])
    line = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"input": "a [[demo tokens=3]]"}}
    file = owner.client.files.create(file=json.dumps(line).encode(), purpose="batch")
    batch = owner.client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    event = unwrapped(owner, endpoint.at("/batch")[0], made.signing_secret)
    assert (event.type, event.data.id) == ("batch.completed", batch.id)
    output = owner.client.batches.retrieve(batch.id).output_file_id
    stranger = Owner(stack, "stranger")
    with stranger.browser as browser:
        paths = [f"/v1/files/{file_id}{part}" for file_id in (file.id, output) for part in ("", "/content")]
        answers = [browser.get(path) for path in (*paths, f"/v1/batches/{batch.id}")]
        answers += [browser.post(f"{place}/{batch.id}/cancel") for place in ("/v1/batches", "/batches")]
        answers += [browser.delete(f"/v1/files/{file.id}")]
        assert [answer.status_code for answer in answers] == [404] * len(answers)
        body = {"input_file_id": file.id, "endpoint": "/v1/responses", "completion_window": "24h"}
        assert browser.post("/v1/batches", json=body).status_code == 400
        assert batch.id[:18] not in browser.get("/batches").text
        assert browser.get("/v1/files").json()["data"] == browser.get("/v1/batches").json()["data"] == []


def test_the_page_makes_shows_tests_and_sends_again(owner: Owner, endpoint: Receiver) -> None:
    browser = owner.browser
    new = {"act": "add", "url": f"{endpoint.url}/page", "event": ["response.completed"]}
    shown = browser.post("/webhooks", data=new)
    [secret] = set(re.findall(r"whsec_[\w+/]{20,}=*", shown.text))
    assert shown.headers["Cache-Control"] == "no-store"
    assert secret not in browser.get("/webhooks").text
    [made] = list(owner.client.webhooks.list())
    job_id = owner.ended()
    assert unwrapped(owner, endpoint.at("/page")[0], secret).data.id == job_id
    delivery = owner.settled(job_id, "delivered")["id"]
    page = browser.get("/webhooks").text
    assert f"/jobs/{job_id}" in page
    for form in ({"act": "resend", "id": delivery}, {"act": "test", "id": made.id}):
        assert browser.post("/webhooks", data=form).status_code == 303
    endpoint.at("/page", 3)
    assert "204" in browser.get("/webhooks").text
    wrong = browser.post("/webhooks", data={**new, "url": "ftp://nowhere"})
    assert (wrong.status_code, "address like" in wrong.text) == (400, True)
    for form in ({"act": "rotate", "id": made.id}, {"act": "secret"}):
        assert "whsec_" in browser.post("/webhooks", data=form).text
    assert browser.post("/webhooks", data={"act": "delete", "id": made.id}).status_code == 303
    assert "签名" in browser.get("/webhooks", headers={"Accept-Language": "zh"}).text


def test_the_command_line_does_the_same(owner: Owner, endpoint: Receiver) -> None:
    secret = owner.run("webhooks", "add", f"{endpoint.url}/cli", "--event", "response.completed").strip()
    endpoint_id = owner.run("webhooks", "list").split()[0]
    own_secret = owner.run("webhooks", "secret").strip()
    job_id = owner.run("submit", "--input", "told [[demo tokens=3]]", "--webhook", f"{endpoint.url}/submit").strip()
    assert unwrapped(owner, endpoint.at("/cli")[0], secret).data.id == job_id
    assert unwrapped(owner, endpoint.at("/submit")[0], own_secret).data.id == job_id
    wait_for(lambda: {each["status"] for each in owner.deliveries(job_id)} == {"delivered"}, 60)
    listed = owner.run("webhooks", "deliveries").splitlines()
    assert len(listed) == 2
    owner.run("webhooks", "resend", listed[0].split()[0])
    assert owner.run("webhooks", "test", endpoint_id).strip() == "204"
    assert owner.run("webhooks", "rotate", endpoint_id, "--at-once").startswith("whsec_")
    owner.run("webhooks", "delete", endpoint_id)
    assert owner.run("webhooks", "list") == ""


def test_the_receiver_of_the_examples_prints_what_has_ended(stack: Stack, owner: Owner, tmp_path: Path) -> None:
    secret = owner.browser.post("/v1/webhook_secret").json()["signing_secret"]
    variables = {"OPENAI_BASE_URL": f"{stack.url}/v1", "OPENAI_API_KEY": owner.key, "OPENAI_WEBHOOK_SECRET": secret}
    argv = [sys.executable, str(ROOT / "examples" / "clients" / "webhook_receiver.py"), "0"]
    example = Process(argv, tmp_path / "receiver.log", clean_environment(**variables))
    try:
        address = wait_for(lambda: re.search(r"listening on (\S+)\n", example.log.read_text()), 60)[1]
        job_id = owner.ended(extra_body={"penstock": {"webhook": address}})
        text = owner.client.responses.retrieve(job_id).output_text
        wait_for(lambda: f"{job_id} {text}\n" in example.log.read_text() or None, 60)
        assert httpx2.post(address, content=b"{}", trust_env=False).status_code == 400
    finally:
        example.kill()
