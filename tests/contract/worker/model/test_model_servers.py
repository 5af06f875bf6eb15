"""Several model servers: which one a job is written by, what happens when one fails, and what the response tells."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from jobs.protocol import events
from tests.support.assertions import assert_one_end, follow, row_of
from tests.support.stack import DemoModel, Stack, Viewer, running_stack, wait_for
from tests.support.up import running
from tests.support.wire import assert_refused, create, fetch

# The default server has these; those below are another's.
SPARE, LOCKED, SILENT = "demo+rate=0+seed=spare", "demo+status=401", "demo+rate=0+first=600"

GONE, BUSY, HOPELESS, STUCK, NOWHERE = (
    "demo+status=404",
    "demo+status=503",
    "demo+status=400",
    "demo+status=500",
    "none",
)
CUT, THINKING = "demo+rate=0+tokens=40+drop=20", "demo+rate=0+think=9+drop=0"
PLAIN, WHOLE, SINGLE = "demo+rate=0+seed=a", "demo+rate=0+seed=b", "demo+rate=40+seed=c"
LISTED = [GONE, BUSY, CUT, THINKING, HOPELESS, STUCK, NOWHERE, PLAIN, WHOLE, SINGLE]


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """The address of a server that is not there."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoModel]:
    """A second model server."""
    server = DemoModel(tmp_path_factory.mktemp("other"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def stack(other: DemoModel, nobody: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock with a default server and named ones, in an environment with a proxy that is not there."""
    servers: dict[str, dict[str, Any]] = {
        "gone": {"models": [GONE], "fallbacks": [SPARE]},
        "busy": {"models": [BUSY], "fallbacks": [LOCKED, SPARE]},
        "broken": {"models": [CUT, THINKING], "fallbacks": [SPARE]},
        "hopeless": {"models": [HOPELESS], "fallbacks": [LOCKED]},
        "stuck": {"models": [STUCK], "fallbacks": [SILENT]},
        "nowhere": {"models": [NOWHERE], "url": f"{nobody}/v1"},
        "plain": {"models": [PLAIN]},
        "whole": {"models": [WHOLE], "stream": False},
        "single": {"models": [SINGLE], "concurrency": 1},
    }
    variables = {
        "PENSTOCK_SERVERS": json.dumps({name: {"url": other.url, **table} for name, table in servers.items()}),
        "PENSTOCK_MODEL_RETRIES": "1",
        "PENSTOCK_RESTART_SECONDS": "2",
        **dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), nobody),
    }
    with running_stack(tmp_path_factory.mktemp("models") / "data", workers=1, **variables) as penstock:
        yield penstock


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as client:
        yield client


def final(stack: Stack, client: openai.OpenAI, model: str, text: str) -> dict[str, Any]:
    """The response of a job, once it has ended."""
    job = create(stack.url, model=model, input=text)["id"]
    return assert_one_end(stack.database, job, follow(client, job))


def text_of(response: dict[str, Any]) -> str:
    return "".join(part["text"] for item in response["output"] for part in item["content"])


def requests(server: DemoModel, prompt: str) -> int:
    return server.stats(prompt).get("requests", 0)


def test_all_models_are_listed(stack: Stack) -> None:
    _, listing = fetch(stack.url, "/v1/models")
    ids = [model["id"] for model in listing["data"]]
    assert ids[0] == "demo+rate=0+first=0"
    assert set(ids[1:]) == {*LISTED, "demo"}


def test_a_model_is_asked_of_its_server(stack: Stack, other: DemoModel, client: openai.OpenAI) -> None:
    for model, counts in ((PLAIN, (0, 1)), (SPARE, (1, 0))):
        response = final(stack, client, model, f"whose is {model}?")
        assert (response["status"], response["model"]) == ("completed", model)
        assert response["penstock"]["models"] == {model: None}
        assert (requests(stack.model, f"whose is {model}?"), requests(other, f"whose is {model}?")) == counts


# -- fallbacks -----------------------------------------------------------------------------------------------------


def test_another_model_writes_when_one_is_not_there(stack: Stack, other: DemoModel, client: openai.OpenAI) -> None:
    response = final(stack, client, GONE, "one for another")
    assert (response["status"], response["model"], response["error"]) == ("completed", GONE, None)
    models = response["penstock"]["models"]
    assert list(models) == [GONE, SPARE]
    assert "answered 404" in models[GONE]
    assert models[SPARE] is None
    assert [item["status"] for item in response["output"]] == ["completed"]
    assert text_of(response) == text_of(final(stack, client, SPARE, "one for another"))
    assert requests(other, "one for another") == 1


def test_fallbacks_are_asked_in_order_after_the_retries(stack: Stack, other: DemoModel, client: openai.OpenAI) -> None:
    response = final(stack, client, BUSY, "in order")
    assert response["status"] == "completed"
    models = response["penstock"]["models"]
    assert list(models) == [BUSY, LOCKED, SPARE]
    assert ["answered 503" in models[BUSY], "answered 401" in models[LOCKED], models[SPARE]] == [True, True, None]
    assert (requests(other, "in order"), requests(stack.model, "in order")) == (2, 2)
    assert other.wait("in order", "failed", 2) < stack.model.wait("in order", "failed")


@pytest.mark.parametrize("model", [CUT, THINKING])
def test_a_section_that_has_begun_is_not_given_to_another_model(
    stack: Stack, other: DemoModel, client: openai.OpenAI, model: str
) -> None:
    response = final(stack, client, model, f"begun by {model}")
    assert response["status"] == "failed"
    assert text_of(response)
    assert response["penstock"]["models"] == {model: None}
    assert (requests(other, f"begun by {model}"), requests(stack.model, f"begun by {model}")) == (2, 0)


def test_when_all_fail_the_response_tells_of_each(stack: Stack, client: openai.OpenAI) -> None:
    response = final(stack, client, HOPELESS, "hopeless")
    assert (response["status"], response["model"]) == ("failed", HOPELESS)
    assert "answered 401" in response["error"]["message"]
    models = response["penstock"]["models"]
    assert ["answered 400" in models[HOPELESS], models[LOCKED]] == [True, response["error"]["message"]]


def test_a_server_that_is_away_is_named(stack: Stack, client: openai.OpenAI, nobody: str) -> None:
    response = final(stack, client, NOWHERE, "anybody there?")
    assert response["status"] == "failed"
    assert f"model server at {nobody}/v1 failed" in response["error"]["message"]


def test_a_cancel_stops_the_fallback(stack: Stack, other: DemoModel, client: openai.OpenAI) -> None:
    job = create(stack.url, model=STUCK, input="stuck")["id"]
    stack.model.wait("stuck", "headers")
    cancelled_at = time.monotonic()
    assert client.responses.cancel(job).status == "cancelled"
    assert stack.model.wait("stuck", "closed_by_client") - cancelled_at < 2
    response = assert_one_end(stack.database, job)
    assert list(response["penstock"]["models"]) == [STUCK, SILENT]
    assert (requests(other, "stuck"), requests(stack.model, "stuck")) == (2, 1)


def test_a_drain_during_the_fallback_gives_the_job_to_another_worker(
    stack: Stack, other: DemoModel, client: openai.OpenAI
) -> None:
    job = create(stack.url, model=STUCK, input="sent home")["id"]
    stack.model.wait("sent home", "headers")
    first = stack.runner(job)
    stack.start_worker()
    assert first.end() == 0
    stack.model.wait("sent home", "closed_by_client")
    stack.model.wait("sent home", "headers", 2)  # the new attempt has been there, too
    assert row_of(stack.database, job).rescues == 0
    assert client.responses.cancel(job).status == "cancelled"
    assert assert_one_end(stack.database, job)["penstock"]["attempt"] == 2
    assert (requests(other, "sent home"), requests(stack.model, "sent home")) == (4, 2)


def test_a_model_that_is_given_up_is_not_asked_again_for_each_section(
    stack: Stack, other: DemoModel, client: openai.OpenAI
) -> None:
    before = sum(counts["requests"] for counts in other.all_stats().values())
    prompt = {"id": "report", "variables": {"topic": "weirs", "sections": 2, "words": 100}}
    job = create(stack.url, model=GONE, prompt=prompt)["id"]
    response = assert_one_end(stack.database, job, follow(client, job))
    assert response["status"] == "completed"
    assert list(response["penstock"]["models"]) == [GONE, SPARE]
    assert sum(counts["requests"] for counts in other.all_stats().values()) == before + 1


# -- habits --------------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_to_stream_gives_one_delta(stack: Stack, other: DemoModel, client: openai.OpenAI) -> None:
    streams: dict[str, list[Any]] = {}
    for model in (PLAIN, WHOLE):
        job = create(stack.url, model=model, input=f"{model} [[demo tokens=60 think=9 seed=same rate=100]]")["id"]
        streams[model] = Viewer(client, job).ended()
        assert streams[model][-1].response.status == "completed"
        assert other.stats(model)["requests"] == 1
    deltas = {
        model: [event.type for event in seen if event.type in (events.TEXT_DELTA, events.REASONING_DELTA)]
        for model, seen in streams.items()
    }
    assert deltas[WHOLE] == [events.REASONING_DELTA, events.TEXT_DELTA]
    assert len(deltas[PLAIN]) > 2
    assert len(streams[WHOLE][-1].response.output_text) > 60
    assert [item.type for item in streams[WHOLE][-1].response.output] == ["reasoning", "message"]
    assert streams[WHOLE][-1].response.usage.output_tokens == streams[PLAIN][-1].response.usage.output_tokens


def test_a_server_gets_no_more_jobs_at_once_than_it_takes(
    stack: Stack, other: DemoModel, client: openai.OpenAI
) -> None:
    jobs = [create(stack.url, model=SINGLE, input=f"single {number} [[demo tokens=20]]")["id"] for number in range(3)]
    for number, job in enumerate(jobs):
        other.wait(f"single {number}", "request")
        assert [row_of(stack.database, later).status for later in jobs[number + 1 :]] == ["queued"] * (2 - number)
        assert follow(client, job)[-1].response.status == "completed"
    assert wait_for(lambda: other.stats("single 2")["open"] == 0)


def test_named_servers_alone_are_enough(other: DemoModel, tmp_path: Path) -> None:
    servers = json.dumps({"only": {"url": other.url, "models": [PLAIN, SPARE], "stream": False}})
    with running(tmp_path / "data", PENSTOCK_SERVERS=servers, PENSTOCK_FIRST_TOKEN_SECONDS="1") as up:
        assert f"model  {PLAIN}\n" in up.words
        assert up.pid_of("demo_model") is None
        _, listing = fetch(up.url, "/v1/models")
        assert [model["id"] for model in listing["data"]] == [PLAIN, SPARE]
        # A whole answer takes longer than its first token does elsewhere.
        done = up.run("submit", "--input", "only you [[demo rate=20 tokens=50]]", "--follow")
        assert (done.exit_code, requests(other, "only you")) == (0, 1)
        body = json.dumps({"model": "demo", "input": "someone else"}).encode()
        refused = assert_refused(*fetch(up.url, "/v1/responses", method="POST", body=body), expected=404)
        assert (refused["param"], refused["code"]) == ("model", "model_not_found")
        assert up.end() == 0
