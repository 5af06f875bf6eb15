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

from jobs import events
from tests.support.stack import Stack, Viewer, wait_for
from tests.support.wire import blocks, create, event_source, fetch, open_event_source, raw_stream, request
from tests.support.witness import follow, text_in

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


def jobs_listed(penstock: Stack) -> list[str]:
    _, page = fetch(penstock.url, "/v1/responses?limit=100")
    return [job["id"] for job in page["data"]]


def assert_envelope(status: int, body: Any, expected: int = 400) -> dict[str, Any]:
    assert status == expected, body
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    return error


# -- framings ----------------------------------------------------------------------------------------------------


def test_each_event_source_frame_has_its_number_as_id(penstock: Stack, ended: str) -> None:
    with open_event_source(penstock.url, ended) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        first, *rest = blocks(answer)
    assert re.fullmatch(rb"retry: \d+\n\n", first)
    frames = [block for block in rest if not block.startswith(b":")]
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
    assert assert_envelope(status, body)["param"] == "starting_after"


@pytest.mark.parametrize("last", ["x", "-1", "1, 2", "9" * 30])
def test_a_last_event_id_that_is_no_number_is_refused(penstock: Stack, ended: str, last: str) -> None:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
    status, body = fetch(penstock.url, f"/v1/responses/{ended}", headers=headers)
    assert assert_envelope(status, body)["param"] == "Last-Event-ID"


@pytest.mark.parametrize(
    "query", ["stream=true&starting_after=1&starting_after=2", "stream=perhaps", "stream=", "stream=2"]
)
def test_a_query_that_means_nothing_is_refused(penstock: Stack, ended: str, query: str) -> None:
    assert_envelope(*fetch(penstock.url, f"/v1/responses/{ended}?{query}"))


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


# -- what is refused ---------------------------------------------------------------------------------------------

BAD_BODIES: dict[str, tuple[bytes, str | None]] = {
    "empty": (b"", None),
    "no JSON": (b"hello", None),
    "half": (b'{"input": "x"', None),
    "a list": (b"[]", None),
    "a string": (b'"input"', None),
    "not UTF-8": (b'{"input": "\xff", "background": true}', None),
    "raw NUL": (b'{"input": "a\x00b", "background": true}', None),
    "lone surrogate": (b'{"input": "\\ud83d", "background": true}', None),
    "lone surrogate in a variable": (b'{"prompt": {"id": "story", "variables": {"topic": "\\ud83d"}}}', None),
    "no input": (b"{}", "input"),
    "empty input": (b'{"input": "", "background": true}', "input"),
    "empty messages": (b'{"input": [{"role": "user", "content": ""}]}', "input"),
    "number as input": (b'{"input": 5}', "input"),
    "unknown role": (b'{"input": [{"role": "robot", "content": "x"}]}', "input"),
    "an image": (
        b'{"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]}]}',
        "input",
    ),
    "text as flag": (b'{"input": "x", "background": "perhaps"}', "background"),
    "temperature": (b'{"input": "x", "temperature": 9}', "temperature"),
    "no tokens": (b'{"input": "x", "max_output_tokens": 0}', "max_output_tokens"),
    "metadata": (b'{"input": "x", "metadata": {"k": 1}}', "metadata"),
    "much metadata": (json.dumps({"input": "x", "metadata": {str(n): "" for n in range(17)}}).encode(), "metadata"),
    "long metadata": (json.dumps({"input": "x", "metadata": {"k": "v" * 513}}).encode(), "metadata"),
    "unknown prompt": (b'{"prompt": {"id": "nonsense"}}', "prompt.id"),
    "unknown version": (b'{"prompt": {"id": "story", "version": "9", "variables": {"topic": "x"}}}', "prompt.version"),
    "unknown variable": (
        b'{"prompt": {"id": "story", "variables": {"topic": "x", "colour": "red"}}}',
        "prompt.variables.colour",
    ),
    "missing topic": (b'{"prompt": {"id": "story"}}', "prompt.variables.topic"),
    "empty topic": (b'{"prompt": {"id": "story", "variables": {"topic": ""}}}', "prompt.variables.topic"),
    "too few words": (
        b'{"prompt": {"id": "story", "variables": {"topic": "x", "words": 1}}}',
        "prompt.variables.words",
    ),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused_in_the_envelope_and_nothing_is_queued(penstock: Stack, name: str) -> None:
    body, param = BAD_BODIES[name]
    before = jobs_listed(penstock)
    error = assert_envelope(*fetch(penstock.url, "/v1/responses", method="POST", body=body))
    if param is not None:
        assert (error["param"] or "").startswith(param)
    assert jobs_listed(penstock) == before


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"store": False, "background": True}, "background"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(penstock: Stack, fields: dict[str, Any], param: str) -> None:
    before = jobs_listed(penstock)
    body = json.dumps({"input": "x", **fields}).encode()
    error = assert_envelope(*fetch(penstock.url, "/v1/responses", method="POST", body=body))
    assert (error["code"], error["param"]) == ("unsupported_parameter", param)
    assert jobs_listed(penstock) == before


def test_a_body_that_is_too_large_is_refused(penstock: Stack) -> None:
    before = jobs_listed(penstock)
    body = json.dumps({"input": "x" * 3_000_000, "background": True}).encode()
    assert_envelope(*fetch(penstock.url, "/v1/responses", method="POST", body=body), expected=413)
    assert jobs_listed(penstock) == before


def test_unknown_fields_and_empty_tools_are_ignored(penstock: Stack, client: openai.OpenAI) -> None:
    job = create(penstock.url, input="extra [[demo tokens=3]]", tools=[], truncation="auto", colour="red", include=None)
    assert wait_for(lambda: client.responses.retrieve(job["id"]).status == "completed")


@pytest.mark.parametrize(
    "job_id",
    ["resp_", "resp_" + "0" * 40, "nonsense", "..", "..%2f..%2fetc%2fpasswd", "%00", "resp_*", "%7b%7d", "x" * 3000],
)
def test_an_id_that_names_no_job_is_not_found(penstock: Stack, job_id: str) -> None:
    for method, path in (
        ("GET", f"/v1/responses/{job_id}"),
        ("GET", f"/v1/responses/{job_id}?stream=true"),
        ("DELETE", f"/v1/responses/{job_id}"),
        ("POST", f"/v1/responses/{job_id}/cancel"),
        ("GET", f"/jobs/{job_id}.md"),
    ):
        for accept in ("*/*", "text/event-stream"):
            assert_envelope(*fetch(penstock.url, path, method=method, headers={"Accept": accept}), expected=404)


def test_a_path_or_a_method_that_does_not_exist_is_answered_in_the_envelope(penstock: Stack, ended: str) -> None:
    assert_envelope(*fetch(penstock.url, "/v1/nonsense"), expected=404)
    assert_envelope(*fetch(penstock.url, "/v1/responses/"), expected=404)
    assert_envelope(*fetch(penstock.url, f"/v1/responses/{ended}", method="PUT"), expected=405)


# -- creating ----------------------------------------------------------------------------------------------------


def test_an_idempotency_key_gives_the_same_job_again(penstock: Stack, client: openai.OpenAI) -> None:
    def post(text: str, key: str) -> Any:
        return client.responses.create(input=text, background=True, extra_headers={"Idempotency-Key": key})

    first = post("once [[demo tokens=3]]", "wire-1")
    with ThreadPoolExecutor(5) as pool:
        again = list(pool.map(lambda _: post("once [[demo tokens=3]]", "wire-1"), range(5)))
    assert {job.id for job in again} == {first.id}
    wait_for(lambda: client.responses.retrieve(first.id).status == "completed")
    assert post("once [[demo tokens=3]]", "wire-1").status == "completed"
    assert penstock.model.stats("once")["requests"] == 1

    with pytest.raises(openai.BadRequestError, match="Idempotency-Key"):
        post("another", "wire-1")
    assert post("once [[demo tokens=3]]", "wire-2").id != first.id


def test_any_stored_job_can_be_streamed(penstock: Stack, client: openai.OpenAI) -> None:
    job = client.responses.create(input="awaited [[demo tokens=9]]")
    found = follow(client, job.id)
    assert [event.sequence_number for event in found] == list(range(len(found)))
    assert text_in(found) == job.output_text


def test_the_list_is_paged_both_ways_and_filtered(penstock: Stack, client: openai.OpenAI) -> None:
    oldest = client.responses.create(input="the one before [[demo tokens=1]]").id
    made = [client.responses.create(input="page [[demo tokens=1]]", background=True).id for _ in range(25)]
    wait_for(lambda: client.responses.retrieve(made[-1]).status == "completed")
    wait_for(lambda: set(made) <= set(_walk(penstock, "limit=50&status=completed&order=desc", pages=2)))

    newest_first = _walk(penstock, "limit=7", pages=4)
    assert newest_first[:25] == made[::-1]
    assert newest_first[25] == oldest
    oldest_first = f"/v1/responses?limit=10&order=asc&after={oldest}"
    _, page = fetch(penstock.url, oldest_first)
    assert [job["id"] for job in page["data"]] == made[:10]
    assert (page["object"], page["first_id"], page["last_id"], page["has_more"]) == ("list", made[0], made[9], True)
    assert all(job["output"] == [] and job["status"] == "completed" for job in page["data"])
    _, page = fetch(penstock.url, f"/v1/responses?limit=10&order=asc&after={made[-3]}")
    assert ([job["id"] for job in page["data"]], page["has_more"]) == (made[-2:], False)

    running = create(penstock.url, input="still here [[demo rate=5 tokens=500]]")["id"]
    wait_for(lambda: running in _walk(penstock, "status=in_progress", pages=1))
    assert running not in _walk(penstock, "status=completed", pages=1)
    client.responses.cancel(running)
    assert running in _walk(penstock, "status=cancelled", pages=1)


def _walk(penstock: Stack, query: str, pages: int) -> list[str]:
    found: list[str] = []
    for _ in range(pages):
        after = f"&after={found[-1]}" if found else ""
        _, page = fetch(penstock.url, f"/v1/responses?{query}{after}")
        found += [job["id"] for job in page["data"]]
        if not page["has_more"]:
            break
    return found


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "order=up", "status=done", "limit="])
def test_a_list_query_that_means_nothing_is_refused(penstock: Stack, query: str) -> None:
    error = assert_envelope(*fetch(penstock.url, f"/v1/responses?{query}"))
    assert error["param"] == query.partition("=")[0]


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


def test_viewers_who_come_at_any_moment_see_the_same(penstock: Stack, client: openai.OpenAI) -> None:
    job = create(penstock.url, input="any moment [[demo tokens=120 rate=120]]")["id"]
    viewers = [Viewer(client, job)]
    for count in (3, 30, 60, 90):
        viewers[0].seen(count)
        viewers += [Viewer(client, job), Viewer(client, job, after=count - 1)]
    first = [event.to_json() for event in viewers[0].ended()]
    starts = [0, 0, 3, 0, 30, 0, 60, 0, 90]
    for viewer, start in zip(viewers, starts, strict=True):
        assert [event.to_json() for event in viewer.ended()] == first[start:]


def test_a_silent_stream_beats_in_both_framings(silent: list[HTTPResponse]) -> None:
    for answer in silent:
        after_text = itertools.dropwhile(lambda block: events.TEXT_DELTA.encode() not in block, blocks(answer))
        assert any(block == b": ping\n\n" for block in after_text)
