"""What model servers really send, from end to end: how a job ends, how often it was paid for, and what people see."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import openai
import pytest

from jobs.protocol import events as protocol
from jobs.protocol.fold import text_of
from tests.support.assertions import assert_one_end, follow, types_in
from tests.support.raw_server import DONE, HOLD, RESET, USAGE, Reply, answer, chunk, data, events, http
from tests.support.scripted_server import Scripted
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create, fetch, request

STOP = chunk(finish="stop")
COMMENT = b": keep-alive\n\n"
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
FORMAT = {"format": {"type": "json_schema", "name": "number", "schema": SCHEMA}}


@pytest.fixture(scope="module")
def scripted() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.server.close()


@pytest.fixture(scope="module")
def penstock(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock that loses patience soon, before that server."""
    with running_stack(
        tmp_path_factory.mktemp("raw") / "data",
        OPENAI_BASE_URL=scripted.server.url,
        OPENAI_API_KEY="sk-a-very-secret-key-0123456789",
        PENSTOCK_MODEL="raw",
        PENSTOCK_FIRST_TOKEN_SECONDS="2",
        PENSTOCK_GAP_SECONDS="2",
        PENSTOCK_KEEPALIVE_SECONDS="9",
        PENSTOCK_WAIT_SECONDS="20",
        PENSTOCK_RESTART_SECONDS="20",
    ) as running:
        yield running


@pytest.fixture
def client(penstock: Stack) -> Iterator[openai.OpenAI]:
    with penstock.client() as client:
        yield client


def final(penstock: Stack, client: openai.OpenAI, prompt: str, **body: Any) -> dict[str, Any]:
    """The response of a job, once it has ended, which everything that tells of it tells alike."""
    job = create(penstock.url, input=prompt, **body)["id"]
    return assert_one_end(penstock.database, job, follow(client, job))


ENDS: dict[str, tuple[Sequence[Reply], str, str, int]] = {
    # Name: what the server sends, the job's status, its reason or the words of its error, how often it was paid.
    "held open, silent": ([events(chunk("Yes."), STOP, end=HOLD)], "completed", "", 1),
    "held open, with comments": ([events(chunk("Yes."), STOP, *[COMMENT] * 40, end=HOLD, gap=0.2)], "completed", "", 1),
    "reset after the end": ([events(chunk("Yes."), STOP, end=RESET)], "completed", "", 1),
    "an error after the end": ([events(chunk("Yes."), STOP, data({"error": "late"}))], "completed", "", 1),
    "aborted": ([events(chunk("Yes."), chunk(finish="abort"), DONE)], "failed", "broke the answer off: abort", 3),
    "no such word": ([events(chunk("Yes."), chunk(finish="banana"), DONE)], "failed", "banana", 3),
    "null": ([events(chunk("Yes.", "null"), DONE)], "failed", "ended before its answer did", 3),
    "aborted once": ([events(chunk("Yes."), chunk(finish="abort")), answer()], "completed", "", 2),
    "a tool that nobody offered": ([events(chunk("Yes."), chunk(finish="tool_calls"))], "failed", "not offered", 1),
    "cut": ([events(chunk("Yes."), chunk(finish="MAX_TOKENS"), DONE)], "incomplete", "max_output_tokens", 1),
    "filtered": ([events(chunk("Yes."), chunk(finish="SAFETY"), DONE)], "incomplete", "content_filter", 1),
    "lasting, inside a 200": ([events(data({"error": {"code": 400, "message": "bad"}}))], "failed", "bad", 1),
    "passing, inside a 200": ([events(data({"error": {"code": 502, "message": "up"}})), answer()], "completed", "", 2),
    "only [DONE]": ([events(DONE)], "failed", "ended before its answer did", 3),
    "nonsense": ([events(data({"choices": [{"delta": 5}]}), data("[]"), DONE)], "failed", "ended before", 3),
    "comments before": ([events(*[COMMENT] * 25, chunk("Yes."), STOP, DONE, gap=0.2)], "completed", "", 1),
    "comments between": ([events(chunk("Ye"), *[COMMENT] * 25, chunk("s."), STOP, gap=0.2)], "completed", "", 1),
    "comments for ever": ([events(*[COMMENT] * 400, gap=0.2)], "failed", "kept the connection alive for 9 s", 3),
    "limited": ([http(429, {"error": "slow"}, "retry-after-ms: 300")] * 5 + [answer()], "completed", "", 6),
    "limited until a date": (
        [http(429, {}, "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"), answer()],
        "completed",
        "",
        2,
    ),
    "limited for too long": ([http(429, {"error": "tomorrow"}, "Retry-After: 86400")], "failed", "tomorrow", 1),
    "loading": ([http(503, {"error": {"message": "Loading model"}})] * 4 + [answer()], "completed", "", 5),
    "echoes the key": (
        [http(401, {"error": {"message": "Incorrect API key: sk-a-very-secret-key-0123456789"}})],
        "failed",
        "answered 401: Incorrect API key: ***",
        1,
    ),
}


@pytest.fixture(scope="module")
def ends(scripted: Scripted, penstock: Stack) -> dict[str, str]:
    """The job of each, all at once, because most of each is waiting."""
    scripted.replies |= {name: replies for name, (replies, *_) in ENDS.items()}
    return {name: create(penstock.url, input=name)["id"] for name in ENDS}


@pytest.mark.parametrize("name", ENDS)
def test_a_job_ends_as_its_answer_did_and_is_paid_no_oftener(
    penstock: Stack, client: openai.OpenAI, scripted: Scripted, ends: dict[str, str], name: str
) -> None:
    _, status, words, requests = ENDS[name]
    response = assert_one_end(penstock.database, ends[name], follow(client, ends[name]))
    reason = response["error"] or response["incomplete_details"] or {}
    assert (response["status"], words in (reason.get("message") or reason.get("reason") or "")) == (status, True), (
        reason
    )
    assert scripted.requests[name] == requests
    assert text_of(response) in ("Yes.", "Ye", "")
    assert text_of(response) == "Yes." or status == "failed"
    if status == "completed":
        assert "Penstock itself" not in json.dumps(response)


# -- waiting -------------------------------------------------------------------------------------------------------


def test_a_wait_is_seen_and_can_be_cancelled(penstock: Stack, client: openai.OpenAI, scripted: Scripted) -> None:
    scripted.replies["patience"] = [http(429, {"error": {"message": "slow down"}}, "Retry-After: 15")]
    job = create(penstock.url, input="patience")["id"]
    waiting = wait_for(lambda: fetch(penstock.url, f"/v1/responses/{job}")[1]["penstock"].get("waiting"))
    assert "answered 429: slow down" in waiting["reason"]
    assert waiting["try"] == 2
    assert time.time() < waiting["until"] < time.time() + 20
    assert fetch(penstock.url, f"/v1/responses/{job}")[1]["status"] == "in_progress"
    begun = time.monotonic()
    assert client.responses.cancel(job).status == "cancelled"
    assert time.monotonic() - begun < 2
    response = assert_one_end(penstock.database, job)
    assert "waiting" not in response["penstock"]
    assert scripted.requests["patience"] == 1


# -- thoughts, refusals, formats -----------------------------------------------------------------------------------


def test_an_answer_of_thoughts_alone_is_completed_and_says_so(
    penstock: Stack, client: openai.OpenAI, scripted: Scripted
) -> None:
    scripted.replies["only thoughts"] = [events(chunk(reasoning_content="hm"), STOP, USAGE, DONE)]
    response = final(penstock, client, "only thoughts")
    assert (response["status"], text_of(response)) == ("completed", "")
    assert response["penstock"]["notice"] == "The model gave no answer, only reasoning."
    assert response["penstock"]["status_details"]["code"] == "only_reasoning"
    assert scripted.requests["only thoughts"] == 1
    with request(penstock.url, f"/jobs/{response['id']}") as page:
        assert "The model only reasoned, and gave no answer: retry it" in page.read().decode()


@pytest.mark.parametrize("before", [chunk("hm "), chunk(reasoning_content="hm ")], ids=["text", "reasoning"])
def test_a_thought_that_nothing_opened_is_taken_back(
    penstock: Stack, client: openai.OpenAI, scripted: Scripted, before: bytes, request: pytest.FixtureRequest
) -> None:
    prompt = request.node.name
    scripted.replies[prompt] = [events(before, chunk("more"), chunk("</think>\n\nYes."), STOP, DONE, gap=0.3)]
    job = create(penstock.url, input=prompt)["id"]
    seen = follow(client, job)
    response = assert_one_end(penstock.database, job, seen)
    assert (response["status"], text_of(response)) == ("completed", "Yes.")
    thought, message = response["output"]
    assert (thought["type"], thought["content"][0]["text"]) == ("reasoning", "hm more")
    assert (thought["status"], message["status"]) == ("completed", "completed")
    assert message["penstock"]["reason"] == "The text was reasoning, not the answer."
    closed = [event.item.status for event in seen if event.type == protocol.ITEM_DONE]
    assert closed[0] == "incomplete"
    assert scripted.requests[prompt] == 1


def test_a_refusal_is_a_part_of_its_own(penstock: Stack, client: openai.OpenAI, scripted: Scripted) -> None:
    scripted.replies["forbidden"] = [events(chunk(refusal="I can"), chunk(refusal="not."), STOP, USAGE, DONE, gap=0.3)]
    job = create(penstock.url, input="forbidden")["id"]
    seen = follow(client, job)
    response = assert_one_end(penstock.database, job, seen)
    (message,) = response["output"]
    assert (response["status"], message["content"]) == ("completed", [{"type": "refusal", "refusal": "I cannot."}])
    assert "".join(event.delta for event in seen if event.type == "response.refusal.delta") == "I cannot."
    kinds = ["output_item.added", "content_part.added", "refusal.delta", "refusal.done", "content_part.done"]
    assert types_in(seen)[3:8] == [f"response.{kind}" for kind in kinds]
    (done,) = [event for event in seen if event.type == "response.refusal.done"]
    assert done.refusal == "I cannot."
    assert client.responses.retrieve(job).output_text == ""
    for suffix in (".md", ".txt", ".html", ""):
        with request(penstock.url, f"/jobs/{job}{suffix}") as page:
            assert "I cannot." in page.read().decode()
    # Taken back as input, and known to whoever goes on with it.
    scripted.replies["why not?"] = [answer()]
    turns = [{"role": "user", "content": "forbidden"}, message, {"role": "user", "content": "why not?"}]
    for body in ({"input": turns}, {"input": "why not?", "previous_response_id": job}):
        again = create(penstock.url, **body)["id"]
        assert assert_one_end(penstock.database, again, follow(client, again))["status"] == "completed"
        assert [turn["content"] for turn in scripted.server.bodies[-1]["messages"]] == [
            *("forbidden", "I cannot.", "why not?")
        ]


def test_a_server_that_ignores_the_format_is_asked_once_more_in_words(
    penstock: Stack, client: openai.OpenAI, scripted: Scripted
) -> None:
    scripted.replies["a number"] = [answer("It is five."), answer('{"n": 5}')]
    response = final(penstock, client, "a number", text=FORMAT)
    assert (response["status"], response["penstock"]["parsed"]) == ("completed", {"n": 5})
    assert response["usage"]["output_tokens"] == 6  # both answers were paid for
    scripted.replies["another"] = [answer('{"n": 6}')]
    assert final(penstock, client, "another", text=FORMAT)["penstock"]["parsed"] == {"n": 6}
    first, second, third = scripted.server.bodies[-3:]
    assert [body["response_format"]["type"] for body in (first, second, third)] == [
        *("json_schema", "json_object", "json_object")
    ]
    assert ["JSON schema" in str(body["messages"][0]) for body in (first, second, third)] == [False, True, True]


# -- sections of a report ------------------------------------------------------------------------------------------

SECTIONS: dict[str, tuple[Sequence[Reply], str | None, int]] = {
    # Name: what the server sends for the second of three sections, the words of its fault, how often it was paid.
    "aborted section": ([events(chunk("Two."), chunk(finish="abort"), DONE)], "broke the answer off: abort", 3),
    "section of thoughts": ([events(chunk(reasoning_content="hm"), STOP, DONE)], "only reasoning", 3),
    "section of nothing": ([events(STOP, DONE)], "The model gave no answer.", 3),
    "reset behind its end": ([events(chunk("Two."), STOP, end=RESET)], None, 1),
    "thought in a section": ([events(chunk("hm "), chunk("hm</think>Two."), STOP, gap=0.3)], None, 1),
    "thoughts, then text": ([events(chunk(reasoning_content="hm"), STOP), answer("Two.")], None, 2),
}


@pytest.fixture(scope="module")
def reports(scripted: Scripted, penstock: Stack) -> dict[str, str]:
    """A report of each, all at once."""
    jobs = {}
    for name, (replies, *_) in SECTIONS.items():
        titles: list[dict[str, Any]] = [
            {"title": title, "brief": "brief", "sources": []} for title in ("First", "Second", "Third")
        ]
        scripted.replies |= {
            f"Plan a report & “{name}”": [answer(json.dumps({"title": "Report", "sections": titles}))],
            f"Write section 1, & “{name}”": [answer("One.")],
            f"Write section 2, & “{name}”": replies,
            f"Write section 3, & “{name}”": [answer("Three.")],
            f"Summarise & “{name}”": [answer("All.")],
        }
        jobs[name] = create(penstock.url, prompt={"id": "report", "variables": {"topic": name}})["id"]
    return jobs


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_of_a_report_ends_as_its_answer_did(
    penstock: Stack, client: openai.OpenAI, scripted: Scripted, reports: dict[str, str], name: str
) -> None:
    _, words, requests = SECTIONS[name]
    response = assert_one_end(penstock.database, reports[name], follow(client, reports[name]))
    assert scripted.requests[f"Write section 2, & “{name}”"] == requests
    text = text_of(response)
    assert text.startswith("# Report\n\n## First\n\nOne.\n\n")
    if words is None:
        assert response["status"] == "completed"
        assert text.rstrip().endswith("## Second\n\nTwo.\n\n## Third\n\nThree.\n\n## Summary\n\nAll.")
    else:
        assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "section_failed"})
        assert words in response["penstock"]["faults"]["2"]
        assert "\n\n## Third\n\nThree." in text
        assert "Summary" not in text


def test_a_refused_section_is_a_part_of_its_own(penstock: Stack, client: openai.OpenAI, scripted: Scripted) -> None:
    name = "refused section"
    titles: list[dict[str, Any]] = [{"title": title, "brief": "brief", "sources": []} for title in ("First", "Second")]
    scripted.replies |= {
        f"Plan a report & “{name}”": [answer(json.dumps({"title": "Report", "sections": titles}))],
        f"Write section 1, & “{name}”": [answer("One.")],
        f"Write section 2, & “{name}”": [events(chunk(refusal="I cannot."), STOP, DONE)],
        f"Summarise & “{name}”": [answer("All.")],
    }
    prompt = {"id": "report", "variables": {"topic": name}}
    job = create(penstock.url, prompt=prompt)["id"]
    response = assert_one_end(penstock.database, job, follow(client, job))
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    assert [part["refusal"] for part in parts if part["type"] == "refusal"] == ["I cannot."]
    assert "## Second" in text_of(response)
    assert scripted.requests[f"Write section 2, & “{name}”"] == 1
