"""The wire as bytes: both framings, cursors, what is refused, and texts that try to break out of their frame."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from typing import Any

import openai
import pytest

from jobs.protocol import events
from tests.support.assertions import follow, text_in
from tests.support.stack import Stack, Viewer, wait_for
from tests.support.wire import (
    assert_refused,
    blocks,
    create,
    event_source,
    fetch,
    open_event_source,
    raw_stream,
    request,
)

HOSTILE = (
    "lines\u2028and\u2029and\u0085and\rand\r\nand\n\nends",
    "e\u0301 \U0001f469\u200d\U0001f469\u200d\U0001f467 \U00020bb7 \ufeff\u202etfel\u202c 翠花，上酸菜！",
    "data: {}\n\nevent: response.completed\ndata: [DONE]\n\nid: 7\nretry: 1\n: ping\n\n",
    'quotes " and \\u0041 and \\n and </script> and \u0000 and \x1b[31m and \x7f',
)


@pytest.fixture(scope="module")
def ended(penstock: Stack) -> Iterator[str]:
    """The id of a job that has ended, with 20 tokens of text."""
    with penstock.client() as client:
        yield client.responses.create(input="long over [[demo tokens=20]]").id


@pytest.fixture(scope="module", autouse=True)
def silent(penstock: Stack) -> Iterator[list[HTTPResponse]]:
    """Streams of a job that fell silent, opened when this module begins: the last test waits less for their beat."""
    job = create(penstock.url, input="silent [[demo stall=5]]")["id"]
    penstock.model.wait("silent", "stalled")
    framings = [request(penstock.url, f"/v1/responses/{job}?stream=true"), open_event_source(penstock.url, job)]
    yield framings
    fetch(penstock.url, f"/v1/responses/{job}/cancel", method="POST")
    for answer in framings:
        answer.close()


# -- framings ----------------------------------------------------------------------------------------------------


def test_each_event_source_frame_has_its_number_as_id(penstock: Stack, ended: str) -> None:
    with open_event_source(penstock.url, ended) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        stream = answer.read()
    # `retry:` stands in the first frame's block: some clients take a block of its own for an event.
    head = re.match(rb"retry: \d+\n(: \w+\n)*(?=id: 0\n)", stream)
    assert head
    frames = [frame for frame in events.split(stream[head.end() :]) if not frame.startswith(b":")]
    assert b"".join(re.sub(rb"\Aid: \d+\n", b"", frame) for frame in frames) == raw_stream(penstock.url, ended)
    for number, frame in enumerate(frames):
        assert frame.startswith(b"id: %d\nevent: " % number)
        assert frame.count(b"\n") == 4


def test_an_event_source_that_comes_back_gets_exactly_the_rest(penstock: Stack, ended: str) -> None:
    _, whole = event_source(penstock.url, ended)
    frames = events.split(whole)
    for number in range(len(frames) - 1):
        assert event_source(penstock.url, ended, number) == (200, b"".join(frames[number + 1 :]))
    with request(
        penstock.url, f"/v1/responses/{ended}?starting_after=3", headers={"Accept": "text/event-stream"}
    ) as answer:
        assert [block for block in blocks(answer) if block.startswith(b"id:")] == frames[4:]
    for number in (len(frames) - 1, len(frames), 10**9):
        assert event_source(penstock.url, ended, number) == (204, b"")


def test_an_event_source_comes_back_while_the_job_runs(penstock: Stack) -> None:
    job = create(penstock.url, input="come back [[demo tokens=150 rate=100]]")
    seen: list[bytes] = []
    for count in (1, 5, 20, 40):
        with open_event_source(penstock.url, job["id"], len(seen) - 1 if seen else None) as answer:
            for block in blocks(answer):
                if block.startswith(b"id:"):
                    seen.append(block)
                if len(seen) >= count:
                    break
    _, rest = event_source(penstock.url, job["id"], len(seen) - 1)
    assert b"".join(seen) + rest == event_source(penstock.url, job["id"])[1]


def test_openai_framing_has_events_data_and_comments_only(penstock: Stack, ended: str) -> None:
    body = json.dumps({"input": "framed [[demo tokens=3]]", "background": True, "stream": True}).encode()
    for accept, (method, path) in itertools.product(
        ("application/json", "text/event-stream"),
        (("GET", f"/v1/responses/{ended}?stream=true"), ("POST", "/v1/responses")),
    ):
        with request(penstock.url, path, method=method, headers={"Accept": accept}, body=body) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            assert answer.headers["X-Accel-Buffering"] == "no"
            assert "no-cache" in answer.headers["Cache-Control"]
            lines = answer.read().split(b"\n")
        assert {line.partition(b":")[0] for line in lines} == {b"", b"event", b"data"}
        assert not any(line.startswith((b"id:", b"retry:")) for line in lines)


def test_a_head_request_opens_no_stream(penstock: Stack, silent: list[HTTPResponse]) -> None:
    _, page = fetch(penstock.url, "/v1/responses?status=in_progress")
    for job in page["data"]:
        for path in (f"/v1/responses/{job['id']}", f"/v1/responses/{job['id']}?stream=true", f"/jobs/{job['id']}.md"):
            with request(penstock.url, path, method="HEAD", headers={"Accept": "text/event-stream"}) as answer:
                assert (answer.status, answer.read()) == (200, b"")


def test_text_that_looks_like_frames_arrives_unchanged_on_every_path(penstock: Stack, client: openai.OpenAI) -> None:
    def ask(text: str, mode: str) -> tuple[str, str, str, str]:
        job = client.responses.create(input=f"{text}[[demo echo rate=2000 {mode}]]", background=True)
        with request(penstock.url, f"/jobs/{job.id}.md") as answer:
            markdown = answer.read().decode()
        deltas = text_in(follow(client, job.id))
        with request(penstock.url, f"/jobs/{job.id}.txt") as answer:
            plain = answer.read().decode()
        return deltas, markdown, plain, client.responses.retrieve(job.id).output_text

    asked = [(text, mode) for text in HOSTILE for mode in ("", "bytes=1")]
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(ask, *zip(*asked, strict=True)))
    assert answers == [(text,) * 4 for text, _ in asked]


# -- cursors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "", " ", "1,2", "+1", "٣", "9" * 30, "0x1", "null"])
def test_a_cursor_that_is_no_number_is_refused(penstock: Stack, ended: str, cursor: str) -> None:
    quoted = "".join(f"%{byte:02x}" for byte in cursor.encode())
    status, body = fetch(penstock.url, f"/v1/responses/{ended}?stream=true&starting_after={quoted}")
    assert assert_refused(status, body)["param"] == "starting_after"


@pytest.mark.parametrize("last", ["x", "-1", "1, 2", "9" * 30])
def test_a_last_event_id_that_is_no_number_is_refused(penstock: Stack, ended: str, last: str) -> None:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
    status, body = fetch(penstock.url, f"/v1/responses/{ended}", headers=headers)
    assert assert_refused(status, body)["param"] == "Last-Event-ID"


@pytest.mark.parametrize(
    "query", ["stream=true&starting_after=1&starting_after=2", "stream=perhaps", "stream=", "stream=2"]
)
def test_a_query_that_means_nothing_is_refused(penstock: Stack, ended: str, query: str) -> None:
    assert_refused(*fetch(penstock.url, f"/v1/responses/{ended}?{query}"))


def test_a_cursor_beyond_the_end_gets_an_empty_stream_that_ends(penstock: Stack, ended: str) -> None:
    last = raw_stream(penstock.url, ended).count(b"\n\n") - 1
    for after in (last, last + 1, 10**9):
        with request(penstock.url, f"/v1/responses/{ended}?stream=true&starting_after={after}") as answer:
            assert answer.status == 200
            assert all(block.startswith(b":") for block in blocks(answer))
    running = create(penstock.url, input="not there yet [[demo tokens=30 rate=60]]")
    assert raw_stream(penstock.url, running["id"], 10**6) == b""


def test_unknown_query_parameters_are_ignored(penstock: Stack, ended: str) -> None:
    status, job = fetch(penstock.url, f"/v1/responses/{ended}?include=everything&x=1")
    assert (status, job["id"]) == (200, ended)


def test_any_stored_job_can_be_streamed(penstock: Stack, client: openai.OpenAI) -> None:
    job = client.responses.create(input="awaited [[demo tokens=9]]")
    found = follow(client, job.id)
    assert [event.sequence_number for event in found] == list(range(len(found)))
    assert text_in(found) == job.output_text


# -- downloads and headers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "kind"), [("md", "text/markdown"), ("txt", "text/plain")])
def test_the_text_of_a_running_job_is_sent_as_it_is_written(
    penstock: Stack, client: openai.OpenAI, suffix: str, kind: str
) -> None:
    job = create(penstock.url, input=f"as {suffix} [[demo tokens=100 rate=100 think=20]]")
    with request(penstock.url, f"/jobs/{job['id']}.{suffix}") as answer:
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        begun = answer.read1()
        assert client.responses.retrieve(job["id"]).status == "in_progress"
        text = (begun + answer.read()).decode()
    final = wait_for(lambda: _ended(client, job["id"]))
    assert text == final.output_text
    assert len(begun) < len(text.encode()) / 2
    with request(penstock.url, f"/jobs/{job['id']}.{suffix}") as answer:
        assert answer.read().decode() == text


def _ended(client: openai.OpenAI, job_id: str) -> Any:
    found = client.responses.retrieve(job_id)
    return found if found.status == "completed" else None


def test_every_answer_is_named_and_guarded(penstock: Stack, ended: str) -> None:
    names = set()
    for path in ("/", f"/jobs/{ended}", f"/v1/responses/{ended}", f"/v1/responses/{ended}?stream=true", "/v1/none"):
        with request(penstock.url, path) as answer:
            names.add(answer.headers["x-request-id"])
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert len(names) == 5


@pytest.mark.exclusive
def test_viewers_who_come_at_any_moment_see_the_same(penstock: Stack, client: openai.OpenAI) -> None:
    job = create(penstock.url, input="any moment [[demo tokens=120 rate=120]]")["id"]
    viewers, starts = [Viewer(client, job)], [0]
    for words in (3, 20, 40, 60):
        viewers[0].read(words)
        seen = len(viewers[0].events)
        viewers += [Viewer(client, job), Viewer(client, job, after=seen - 1)]
        starts += [0, seen]
    first = [event.to_json() for event in viewers[0].ended()]
    for viewer, start in zip(viewers, starts, strict=True):
        assert [event.to_json() for event in viewer.ended()] == first[start:]


def test_a_silent_stream_beats_in_both_framings(silent: list[HTTPResponse]) -> None:
    for answer in silent:
        after_text = itertools.dropwhile(lambda block: events.TEXT_DELTA.encode() not in block, blocks(answer))
        assert any(block == b": ping\n\n" for block in after_text)
