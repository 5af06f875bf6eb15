"""What a model server can do wrong: the job says so in its words, keeps the text, and is never called done."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import openai
import pytest

from jobs.protocol import events
from jobs.protocol.fold import text_of
from tests.support.assertions import assert_one_end, follow, text_in, types_in
from tests.support.raw_server import RawServer, answer
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.wire import create, fetch, request

MODEL = "demo+rate=0+first=0"
WHOLE = 40
WRITTEN = 20


@dataclass(frozen=True)
class Fault:
    """A script of the demo model, and how a job that meets it must end.

    `requests` counts those that the model may see, `kept` the tokens of text that the job keeps.
    """

    script: str
    status: str = "failed"
    words: str = ""
    requests: int = 3
    kept: int = WRITTEN


FAULTS = {
    "wrong key": Fault("status=401", words="answered 401: Incorrect API key provided", requests=1, kept=0),
    "no such model": Fault("status=404", words="answered 404: The model `demo", requests=1, kept=0),
    "refused": Fault("status=400", words="answered 400: The script asked for a 400", requests=1, kept=0),
    "server error": Fault("status=500", words="answered 500: The server had an error", kept=0),
    "limited for good": Fault("status=429 retry_after=0", words="answered 429: Rate limit reached", kept=0),
    "overloaded twice": Fault("status=503 fails=2", "completed", kept=WHOLE),
    "limited once": Fault("status=429 retry_after=1 fails=1", "completed", requests=2, kept=WHOLE),
    "reset": Fault("drop=20", words="connection to the model server"),
    "body closed": Fault("fin=20", words="ended before its answer did"),
    "no done": Fault("nodone=20", words="ended before its answer did"),
    "done without a reason": Fault("done=20", words="ended before its answer did"),
    "error in the stream": Fault("error=20", words="the model ran out of memory"),
    "malformed line": Fault("badjson=20", words="malformed"),
    "silence": Fault("stall=20", words="fell silent for 1 s"),
    "only comments": Fault("keepalive=20", words="kept the connection alive for 3 s"),
    "no headers": Fault("headers=60", words="said nothing for 2 s", kept=0),
    "no first token": Fault("first=60", words="said nothing for 2 s", kept=0),
    "web page": Fault("html", words="makes no sense", requests=1, kept=0),
    "half a whole answer": Fault("nostream nodone=20", words="malformed", kept=0),
    "no stream": Fault("nostream", "completed", requests=1, kept=WHOLE),
    "no usage": Fault("nousage", "completed", requests=1, kept=WHOLE),
    "filtered": Fault("filter=20", "incomplete", requests=1),
}
# What the status details call it; the others are broken answers.
CODES = {
    "wrong key": "key_refused",
    "no such model": "model_not_found",
    "refused": "request_refused",
    "server error": "server_fault",
    "limited for good": "rate_limit_exceeded",
    "error in the stream": "server_fault",
    **dict.fromkeys(("silence", "only comments", "no headers", "no first token"), "timed_out"),
    "filtered": "content_filter",
}
NEVER_DONE = [name for name, fault in FAULTS.items() if fault.status == "failed"]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock that loses patience soon."""
    directory = tmp_path_factory.mktemp("faulty") / "data"
    with running_stack(
        directory, PENSTOCK_GAP_SECONDS="1", PENSTOCK_FIRST_TOKEN_SECONDS="2", PENSTOCK_KEEPALIVE_SECONDS="3"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def client(faulty: Stack) -> Iterator[openai.OpenAI]:
    with faulty.client() as client:
        yield client


@pytest.fixture(scope="module")
def met(faulty: Stack, client: openai.OpenAI) -> dict[str, Viewer]:
    """Each fault, met by a job with a viewer; all at once, because most of each is waiting."""
    return {
        name: Viewer(client, create(faulty.url, input=f"{name} [[demo tokens={WHOLE} {fault.script}]]")["id"])
        for name, fault in FAULTS.items()
    }


def reference(client: openai.OpenAI, prompt: str, tokens: int) -> str:
    """The first so many of the tokens that the model says to a prompt when nothing goes wrong."""
    asked = f"{prompt} [[demo tokens={WHOLE}]]"
    return client.responses.create(input=asked, max_output_tokens=tokens).output_text if tokens else ""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_ends_as_it_should(faulty: Stack, client: openai.OpenAI, met: dict[str, Viewer], name: str) -> None:
    fault = FAULTS[name]
    found = met[name].ended()
    final = found[-1].response
    assert final.status == fault.status
    code = "completed" if fault.status == "completed" else CODES.get(name, "answer_broken")
    assert final.penstock["status_details"]["code"] == code
    assert faulty.model.stats(name)["requests"] == fault.requests
    assert faulty.model.stats(name)["open"] == 0
    text = reference(client, name, fault.kept)
    assert final.output_text == text_in(found) == text == client.responses.retrieve(final.id).output_text
    if fault.status == "failed":
        assert fault.words in final.error.message
        assert final.error.code == ("rate_limit_exceeded" if "429" in fault.script else "server_error")
    else:
        assert final.error is None
    assert_one_end(faulty.database, final.id, found)


@pytest.mark.parametrize("name", NEVER_DONE)
def test_invariant_6_never_false_success(faulty: Stack, met: dict[str, Viewer], name: str) -> None:
    found = met[name].ended()
    assert [event.type for event in found if event.type in events.TERMINAL] == [events.FAILED]
    ends = {event.item.status for event in found if event.type == events.ITEM_DONE}
    assert ends <= {"incomplete"}
    assert {item.status for item in found[-1].response.output} == ends
    assert found[-1].response.completed_at is None


def test_a_filtered_answer_is_incomplete(met: dict[str, Viewer]) -> None:
    final = met["filtered"].ended()[-1].response
    assert final.incomplete_details.reason == "content_filter"
    assert [item.status for item in final.output] == ["incomplete"]


def test_what_is_said_names_server_key_and_models(faulty: Stack, met: dict[str, Viewer]) -> None:
    refused, unknown = (met[name].ended()[-1].response.penstock["status_details"] for name in list(FAULTS)[:2])
    assert (refused["server"], refused["variable"]) == (faulty.model.url, "OPENAI_API_KEY")
    assert refused["variable"] in refused["message"]
    assert (unknown["model"], unknown["models"]) == (MODEL, ["demo"])
    assert unknown["message"].endswith("it has: demo.")


def test_the_wait_that_the_server_asks_for_is_kept(faulty: Stack, met: dict[str, Viewer]) -> None:
    met["limited once"].ended()
    first, second = (faulty.model.wait("limited once", "request", count) for count in (1, 2))
    assert second - first >= 1


def test_a_server_without_stream_options_is_asked_so_only_once(faulty: Stack, client: openai.OpenAI) -> None:
    for name, requests in (("first without", 2), ("second without", 1)):
        job = client.responses.create(model="demo+rate=0", input=f"{name} [[demo tokens=9 nooptions]]")
        assert (job.status, job.usage) == ("completed", None)
        assert faulty.model.stats(name)["requests"] == requests


def test_a_server_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        with (
            running_stack(tmp_path / "data", OPENAI_BASE_URL=url, PENSTOCK_RESTART_SECONDS="2") as running,
            running.client() as client,
        ):
            job = client.responses.create(input="anybody there?")
    assert job.status == "failed"
    assert job.error
    assert job.error.code == "server_error"
    assert url in job.error.message
    assert "refused" in job.error.message
    assert job.to_dict()["penstock"]["status_details"]["code"] == "connection_refused"  # type: ignore[index]


# -- restarts; 200 tokens are enough for two random answers to differ ----------------------------------------------


def stream(client: openai.OpenAI, prompt: str) -> tuple[list[Any], Any]:
    """The events of a new job, and its end, as the SDK's helper gives them."""
    with client.responses.stream(model=MODEL, input=prompt, background=True) as helper:
        found = list(helper)
        return found, helper.get_final_response()


def test_a_model_that_repeats_itself_goes_on_unseen(faulty: Stack, client: openai.OpenAI) -> None:
    final: Any
    again: Any
    found, final = stream(client, "steady [[demo tokens=60 think=7 drop=20 fails=1]]")
    assert faulty.model.stats("steady")["requests"] == 2
    once = ["created", "queued", "in_progress", "output_item.added", "content_part.added"]
    summary = [f"reasoning_summary_{kind}" for kind in ("text.delta", "text.done", "part.done")]
    thought = ["reasoning_text.delta", "reasoning_text.done", "content_part.done", *summary]
    once.append("reasoning_summary_part.added")
    answer = ["output_item.added", "content_part.added", "output_text.delta"]
    ends = ["output_item.done", "output_text.done", "content_part.done", "output_item.done", "completed"]
    assert types_in(found) == [f"response.{kind}" for kind in (*once, *thought, *answer, *ends)]
    assert final.output_text == text_in(found)
    again = client.responses.create(input="steady [[demo tokens=60 think=7]]")
    assert final.output_text == again.output_text
    assert [item.content[0].text for item in final.output] == [item.content[0].text for item in again.output]


@pytest.mark.parametrize("think", [0, 7])
def test_a_model_that_says_something_else_begins_a_new_item(faulty: Stack, client: openai.OpenAI, think: int) -> None:
    name = f"moody {think}"
    found, final = stream(client, f"{name} [[demo tokens=260 think={think} seed=random drop=200 fails=1]]")
    assert faulty.model.stats(name)["requests"] == 2
    size = 2 if think else 1
    added = [event for event in found if event.type == events.ITEM_ADDED]
    done = {event.output_index: event.item for event in found if event.type == events.ITEM_DONE}
    assert [event.output_index for event in added] == list(range(2 * size))
    assert len({event.item.id for event in added}) == 2 * size
    assert [done[index].status for index in range(2 * size)] == ["incomplete"] * size + ["completed"] * size
    for old, new in zip(added[:size], added[size:], strict=True):
        assert new.item.type == old.item.type
        assert new.item.penstock["replaces"] == old.item.id
        assert "connection to the model server" in new.item.penstock["reason"]
        assert old.item.penstock["started"] <= done[old.output_index].penstock["ended"]
        assert done[old.output_index].penstock["ended"] <= new.item.penstock["started"]
    first_new = next(number for number, event in enumerate(found) if event is added[size])
    assert {event.output_index for event in found[:first_new] if event.type == events.ITEM_DONE} == set(range(size))
    assert [item.id for item in final.output] == [event.item.id for event in added[size:]]
    assert final.output_text == text_in(found[first_new:])
    assert types_in(found).count(events.IN_PROGRESS) == 1
    assert_one_end(faulty.database, final.id)


def test_text_that_was_downloaded_and_is_written_anew_is_not_passed_off_as_whole(
    faulty: Stack, client: openai.OpenAI
) -> None:
    steady, moody = (
        create(faulty.url, input=f"to file {seed} [[demo tokens=260 rate=500 seed={seed} drop=200 fails=1]]")["id"]
        for seed in ("1", "random")
    )
    with request(faulty.url, f"/jobs/{steady}.md") as whole, request(faulty.url, f"/jobs/{moody}.md") as broken:
        with pytest.raises(IncompleteRead):
            broken.read()
        text = whole.read().decode()
    for job in (steady, moody):
        final = follow(client, job)[-1].response
        with request(faulty.url, f"/jobs/{job}.md") as later:
            assert later.read().decode() == final.output_text
    assert text == client.responses.retrieve(steady).output_text


def test_faults_of_some_do_not_disturb_others(faulty: Stack, client: openai.OpenAI, met: dict[str, Viewer]) -> None:
    assert client.responses.create(input="unmoved [[demo tokens=30]]").status == "completed"
    assert faulty.workers[0].is_running
    assert wait_for(lambda: all(viewer.ended() for viewer in met.values()))


def test_a_model_server_that_restarts_is_waited_for(tmp_path: Path) -> None:
    server = RawServer(answer())
    port = int(server.url.split(":")[2].removesuffix("/v1"))
    server.close()
    with running_stack(
        tmp_path / "data", OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1", PENSTOCK_MODEL="raw"
    ) as running:
        job = create(running.url, input="anybody there?")["id"]
        waiting = wait_for(lambda: fetch(running.url, f"/v1/responses/{job}")[1]["penstock"].get("waiting"))
        assert "refused" in waiting["reason"]
        back = RawServer(answer(), port=port)
        with running.client() as client:
            response = assert_one_end(running.database, job, follow(client, job))
        assert (response["status"], text_of(response), back.requests) == ("completed", "Yes.", 1)
        back.close()
