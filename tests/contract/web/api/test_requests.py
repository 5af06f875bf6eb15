"""What may be asked and what is refused: always in OpenAI's envelope, and nothing is queued by it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from tests.support.stack import Stack, wait_for
from tests.support.wire import assert_refused, create, fetch


def jobs_listed(penstock: Stack) -> list[str]:
    _, page = fetch(penstock.url, "/v1/responses?limit=100")
    return [job["id"] for job in page["data"]]


BAD_BODIES: dict[str, tuple[bytes, str | None]] = {
    "NUL in the model": (b'{"input": "x", "model": "a\\u0000b", "background": true}', "model"),
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
    "more tokens than can be counted": (b'{"input": "x", "max_output_tokens": 1%s}' % (b"0" * 30), None),
    "a number beyond all bounds": (b'{"input": "x", "reasoning": {"effort": 1%s}}' % (b"0" * 30), None),
    "metadata": (b'{"input": "x", "metadata": {"k": 1}}', "metadata"),
    "no such effort": (b'{"input": "x", "reasoning": {"effort": "extreme"}}', "reasoning.effort"),
    "no such truncation": (b'{"input": "x", "truncation": "some"}', "truncation"),
    "no such form": (b'{"input": "x", "text": {"format": {"type": "poem"}}}', "text.format"),
    "a form without its schema": (
        b'{"input": "x", "text": {"format": {"type": "json_schema", "name": "a"}}}',
        "text.format",
    ),
    "a schema that is none": (
        b'{"input": "x", "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": 5}}}}',
        "text.format",
    ),
    "no such response before": (
        b'{"input": "x", "previous_response_id": "resp_%s"}' % (b"0" * 40),
        "previous_response_id",
    ),
    "a path as the response before": (b'{"input": "x", "previous_response_id": "../x"}', "previous_response_id"),
    "an item that there is not": (b'{"input": [{"type": "item_reference", "id": "msg_1"}]}', "input"),
    "nothing but thoughts": (b'{"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}', "input"),
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
    error = assert_refused(*fetch(penstock.url, "/v1/responses", method="POST", body=body))
    if param is not None:
        assert (error["param"] or "").startswith(param)
    assert jobs_listed(penstock) == before


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input.0"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio", "data": ""}]}]}, "input.0.content.0"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": ""}]}]}, "input.0.content.0"),
        ({"store": False, "background": True}, "background"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(penstock: Stack, fields: dict[str, Any], param: str) -> None:
    before = jobs_listed(penstock)
    body = json.dumps({"input": "x", **fields}).encode()
    error = assert_refused(*fetch(penstock.url, "/v1/responses", method="POST", body=body))
    assert error["code"] == "unsupported_parameter"
    assert error["param"] in (param, f"{param}.0")
    assert jobs_listed(penstock) == before


def test_a_body_that_is_too_large_is_refused(penstock: Stack, client: openai.OpenAI) -> None:
    before = jobs_listed(penstock)
    # The answer comes before all is sent; not every client reads it then, this one does.
    with pytest.raises(openai.APIStatusError) as refused:
        client.responses.create(input="x" * 3_000_000, background=True)
    assert (refused.value.status_code, refused.value.type) == (413, "invalid_request_error")
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
            assert_refused(*fetch(penstock.url, path, method=method, headers={"Accept": accept}), expected=404)


def test_a_path_or_a_method_that_does_not_exist_is_answered_in_the_envelope(penstock: Stack) -> None:
    assert_refused(*fetch(penstock.url, "/v1/nonsense"), expected=404)
    assert_refused(*fetch(penstock.url, "/v1/responses/"), expected=404)
    assert_refused(*fetch(penstock.url, "/v1/responses/resp_1", method="PUT"), expected=405)


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


def test_an_empty_idempotency_key_is_none(penstock: Stack) -> None:
    for key in ("", " "):
        made = {
            create(penstock.url, headers={"Idempotency-Key": key}, input=f"{text} [[demo tokens=1]]")["id"]
            for text in ("this", "that", "that")
        }
        assert len(made) == 3


def test_an_idempotency_key_that_is_too_long_is_refused(penstock: Stack) -> None:
    before = jobs_listed(penstock)
    body, headers = b'{"input": "x", "background": true}', {"Idempotency-Key": "k" * 256}
    error = assert_refused(*fetch(penstock.url, "/v1/responses", method="POST", headers=headers, body=body))
    assert error["param"] == "Idempotency-Key"
    assert jobs_listed(penstock) == before


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
    error = assert_refused(*fetch(penstock.url, f"/v1/responses?{query}"))
    assert error["param"] == query.partition("=")[0]
