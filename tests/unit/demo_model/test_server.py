"""The demo model as its clients meet it: a real process, real sockets, every directive and every fault."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

ROOT = Path(__file__).parents[3]
FAST = "demo+rate=0"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    command = [sys.executable, "-m", "demo_model"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip().removesuffix("/v1")
        with httpx2.Client(base_url=url, timeout=10, trust_env=False) as client:
            yield client
        process.terminate()


@dataclass
class Stream:
    """What a client saw of one answer."""

    data: list[Any] = field(default_factory=list)
    done: bool = False
    bad: bool = False
    broken: bool = False

    def read(self, lines: list[bytes]) -> None:
        for line in filter(None, lines):
            if line == b"data: [DONE]":
                self.done = True
            else:
                self.data.append(json.loads(line.removeprefix(b"data: ")))

    @property
    def chunks(self) -> list[dict[str, Any]]:
        return [chunk for chunk in self.data if chunk.get("choices")]

    @property
    def finish(self) -> str | None:
        return next(
            (it["choices"][0]["finish_reason"] for it in self.chunks if it["choices"][0]["finish_reason"]), None
        )

    def pieces(self, name: str = "content") -> list[str]:
        return [text for it in self.chunks if (text := it["choices"][0]["delta"].get(name))]


def body(prompt: str, model: str = FAST, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **fields}


def stream(client: httpx2.Client, prompt: str, model: str = FAST, **fields: Any) -> Stream:
    """The whole stream that answers a prompt, however it ends."""
    seen = Stream()
    request = body(prompt, model, stream=True, **fields)
    try:
        with client.stream("POST", "/v1/chat/completions", json=request) as response:
            assert response.status_code == 200
            rest = b""
            for part in response.iter_bytes():
                *lines, rest = (rest + part).split(b"\n")
                seen.read(lines)
    except json.JSONDecodeError:
        seen.bad = True
    except httpx2.TransportError:
        seen.broken = True
    return seen


def ask(client: httpx2.Client, prompt: str, model: str = FAST, **fields: Any) -> httpx2.Response:
    return client.post("/v1/chat/completions", json=body(prompt, model, **fields))


def happened(client: httpx2.Client, key: str, event: str, **more: Any) -> float:
    """When the event happened to a request with that prompt, waiting for it if need be."""
    response = client.get("/stats/wait", params={"key": key, "event": event, **more})
    assert response.status_code == 200, response.text
    return float(response.json()["at"])


def counts(client: httpx2.Client, key: str) -> dict[str, int]:
    return dict(client.get("/stats", params={"key": key}).json())


def test_a_stream_has_the_shape_of_openais(client: httpx2.Client) -> None:
    seen = stream(client, "shape", stream_options={"include_usage": True})
    first, *_, last, usage = seen.data
    assert set(first) == {"id", "object", "created", "model", "choices", "usage"}
    assert (first["object"], first["model"], first["usage"]) == ("chat.completion.chunk", FAST, None)
    delta = {"role": "assistant", "content": ""}
    assert first["choices"] == [{"index": 0, "delta": delta, "finish_reason": None}]
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert usage["choices"] == []
    assert usage["usage"] == {
        "prompt_tokens": 2,
        "completion_tokens": len(seen.pieces()),
        "total_tokens": len(seen.pieces()) + 2,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    assert seen.done
    assert len({it["id"] for it in seen.data}) == 1


def test_the_openai_client_reads_it_streaming_and_not(client: httpx2.Client) -> None:
    with openai.OpenAI(base_url=f"{client.base_url}/v1", api_key="any", max_retries=0) as sdk:
        messages: Any = [{"role": "user", "content": "Tell me about tea."}]
        chunks = list(sdk.chat.completions.create(model=FAST, messages=messages, stream=True))
        whole = sdk.chat.completions.create(model=FAST, messages=messages)
        assert [model.id for model in sdk.models.list()] == ["demo"]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert whole.choices[0].message.content == text
    assert whole.usage is not None
    assert whole.usage.completion_tokens == len(chunks) - 2


def test_every_event_is_an_http_chunk_and_with_bytes_every_byte(client: httpx2.Client) -> None:
    for model, longest in ((FAST, 1000), (f"{FAST}+echo+bytes", 1)):
        with client.stream("POST", "/v1/chat/completions", json=body("é", model, stream=True)) as response:
            pieces = list(response.iter_raw())
        assert max(map(len, pieces)) <= longest
        if longest > 1:
            assert all(piece.startswith(b"data: ") and piece.endswith(b"\n\n") for piece in pieces)


def test_the_same_prompt_gets_the_same_text_at_any_pace(client: httpx2.Client) -> None:
    text = stream(client, "same").pieces()
    assert stream(client, "same", "demo+rate=9000+first=0").pieces() == text
    assert stream(client, "same", f"{FAST}+seed=2").pieces() != text
    once, again = (stream(client, "same", f"{FAST}+seed=random").pieces() for _ in range(2))
    assert once != again


def test_the_number_of_tokens_is_exact(client: httpx2.Client) -> None:
    for prompt in ("size", "长短"):
        seen = stream(client, prompt, f"{FAST}+tokens=2500+think=33")
        assert (len(seen.pieces()), len(seen.pieces("reasoning_content"))) == (2500, 33)
        assert seen.finish == "stop"


def test_max_tokens_counts_reasoning_and_ends_with_length(client: httpx2.Client) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        seen = stream(client, "limit", f"{FAST}+think=5", **{name: 8}, stream_options={"include_usage": True})
        assert (len(seen.pieces()), seen.finish, seen.done) == (3, "length", True)
        assert seen.data[-1]["usage"]["completion_tokens"] == 8


def test_reasoning_goes_where_the_directive_says(client: httpx2.Client) -> None:
    thought = "".join(stream(client, "why", f"{FAST}+think=7").pieces("reasoning_content"))
    assert "".join(stream(client, "why", f"{FAST}+think=7+field=reasoning").pieces("reasoning")) == thought
    tagged = stream(client, "why", f"{FAST}+think=7+field=tag").pieces()
    assert tagged[:2] == ["<th", "ink>"]
    assert "".join(tagged).startswith(f"<think>{thought}</think>*(")


@pytest.mark.parametrize("text", ["  a\r\nb\t\n", "e\u0301 👩‍👩‍👧 翠花\u2028", "<script>\"'\\\0", ""])
def test_echo_gives_the_prompt_back_character_by_character(client: httpx2.Client, text: str) -> None:
    seen = stream(client, f"[[demo echo]]{text}")
    assert (seen.pieces(), seen.finish) == (list(text), "stop")


def test_pace_and_delays_hold(client: httpx2.Client) -> None:
    stream(client, "pace", "demo+rate=100+tokens=21+headers=0.2+first=0.1")
    requested, headed, first, last = (
        happened(client, "pace", event) for event in ("request", "headers", "first_token", "finished")
    )
    assert headed - requested >= 0.19
    assert first - headed >= 0.09
    assert last - first >= 0.19


# ending: done, finish_reason, connection broken, malformed
ENDINGS = {
    "fin": (False, None, False, False),
    "nodone": (False, None, False, False),
    "done": (True, None, False, False),
    "error": (False, None, False, False),
    "badjson": (False, None, False, True),
    "drop": (False, None, True, False),
    "filter": (True, "content_filter", False, False),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_fault_comes_after_so_many_tokens(client: httpx2.Client, ending: str) -> None:
    seen = stream(client, ending, f"{FAST}+think=2+{ending}=3")
    assert (seen.done, seen.finish, seen.broken, seen.bad) == ENDINGS[ending]
    assert (len(seen.pieces()), len(seen.pieces("reasoning_content"))) == (3, 2)
    failed = counts(client, ending)["failed"]
    assert (failed, counts(client, ending)["tokens"]) == (ending != "filter", 5)
    assert stream(client, ending).finish == "stop", "the server is well afterwards"


def test_an_error_object_in_the_stream_says_what_went_wrong(client: httpx2.Client) -> None:
    error = stream(client, "oom", f"{FAST}+error=1").data[-1]["error"]
    assert (error["message"], error["type"], error["code"]) == ("the model ran out of memory", "server_error", 500)


def test_a_body_cut_by_fin_has_no_framing_that_could_show_it(client: httpx2.Client) -> None:
    with client.stream("POST", "/chat/completions", json=body("fin?", f"{FAST}+fin=2", stream=True)) as response:
        assert "transfer-encoding" not in response.headers
        assert response.headers["connection"] == "close"
        assert len(list(response.iter_lines())) == 2 * 3


@pytest.mark.parametrize("fault", ["stall=2", "keepalive=2", "headers=60", "first=60", "rate=0.01"])
@pytest.mark.parametrize("streaming", [True, False])
def test_a_client_that_goes_is_noticed_whatever_the_server_does(
    client: httpx2.Client, fault: str, streaming: bool
) -> None:
    key = f"leave {fault} {streaming}"
    host, port = client.base_url.host, client.base_url.port
    content = json.dumps(body(key, f"{FAST}+{fault}", stream=streaming)).encode()
    with socket.create_connection((host, port or 0), timeout=5) as sock:
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
        if "=2" in fault:
            happened(client, key, "stalled")
        requested_at = happened(client, key, "request")
        assert counts(client, key)["open"] == 1
    assert happened(client, key, "closed_by_client") - requested_at < 5
    seen = counts(client, key)
    assert (seen["requests"], seen["open"], seen["closed_by_client"]) == (1, 0, 1)


def test_keepalive_sends_comments_only(client: httpx2.Client) -> None:
    with client.stream("POST", "/v1/chat/completions", json=body("beat", f"{FAST}+keepalive=1", stream=True)) as it:
        lines = (line for line in it.iter_lines() if line)
        assert [next(lines)[:6] for _ in range(5)] == ["data: ", "data: ", ": keep", ": keep", ": keep"]


@pytest.mark.parametrize(
    ("status", "code"), [(400, None), (401, "invalid_api_key"), (404, "model_not_found"), (500, None), (503, None)]
)
def test_a_status_comes_in_openais_envelope(client: httpx2.Client, status: int, code: str | None) -> None:
    response = ask(client, "status", f"{FAST}+status={status}", stream=True)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert "retry-after" not in response.headers


def test_fails_lets_later_requests_through(client: httpx2.Client) -> None:
    prompt = "[[demo rate=0 tokens=4 fails=2 status=429 retry_after=1.5]] once more"
    for _ in range(2):
        refused = ask(client, prompt)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1.5")
    assert len(stream(client, prompt).pieces()) == 4
    seen = counts(client, "once more")
    assert (seen["requests"], seen["failed"], seen["finished"]) == (3, 2, 1)


def test_habits_of_other_servers(client: httpx2.Client) -> None:
    page = ask(client, "habits", f"{FAST}+html", stream=True)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    whole = ask(client, "habits", f"{FAST}+nostream", stream=True).json()
    assert whole["choices"][0]["finish_reason"] == "stop"
    usage = {"stream_options": {"include_usage": True}}
    assert all("usage" not in it for it in stream(client, "habits", f"{FAST}+nousage", **usage).data)
    assert "usage" not in ask(client, "habits", f"{FAST}+nousage").json()
    refused = ask(client, "habits", f"{FAST}+nooptions", stream=True, **usage)
    assert refused.status_code == 400
    assert "stream_options" in refused.json()["error"]["message"]
    assert stream(client, "habits", f"{FAST}+nooptions").finish == "stop"
