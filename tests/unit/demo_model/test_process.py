"""The demo model as a process: how it starts and ends, what it counts, which requests it refuses."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

ROOT = Path(__file__).parents[3]
OPENER = build_opener(ProxyHandler({}))


@contextmanager
def running(*arguments: str, fds: tuple[int, ...] = (), end: int = signal.SIGTERM) -> Iterator[str]:
    """The root of a demo model's URLs. The process must say that one line only and end on a signal."""
    command = [sys.executable, "-m", "demo_model", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, pass_fds=fds) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            assert url.endswith("/v1")
            yield url.removesuffix("/v1")
        finally:
            process.send_signal(end)
            assert process.communicate(timeout=5) == ("", "")
            assert process.returncode == 0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as url:
        yield url


def call(url: str, value: Any = None) -> tuple[int, Any]:
    """Status and JSON of a GET, or of a POST if there is something to send."""
    data = None if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
    try:
        with OPENER.open(Request(url, data), timeout=10) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def ask(url: str, prompt: str, model: str = "demo+rate=0", **fields: Any) -> tuple[int, Any]:
    messages = [{"role": "user", "content": prompt}]
    return call(f"{url}/v1/chat/completions", {"model": model, "messages": messages, **fields})


def sent(url: str, prompt: str, model: str) -> socket.socket:
    """A connection on which a streaming request was sent."""
    host, port = url.removeprefix("http://").split(":")
    sock = socket.create_connection((host, int(port)), timeout=5)
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": prompt}]}).encode()
    sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return sock


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_even_in_mid_answer(end: int) -> None:
    with running(end=end) as url:
        sock = sent(url, "mid", "demo+rate=1")
        assert call(f"{url}/stats/wait?key=mid&event=first_token")[0] == 200
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    with sock:
        while sock.recv(65536):
            pass  # The end of the connection is what matters.


@pytest.mark.parametrize("listening", [False, True])
def test_it_takes_a_bound_socket(listening: bool) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        if listening:
            sock.listen()
        port = sock.getsockname()[1]
        with running("--fd", str(sock.fileno()), fds=(sock.fileno(),)) as url:
            assert url == f"http://127.0.0.1:{port}"
            assert call(f"{url}/healthz") == (200, {"ok": True})


@pytest.mark.parametrize("arguments", [("--fd", "999"), ("--host", "203.0.113.1"), ("--port", "99999")])
def test_an_address_that_cannot_be_used_is_named(arguments: tuple[str, str]) -> None:
    command = [sys.executable, "-m", "demo_model", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert arguments[1] in result.stderr.splitlines()[-1]


def test_the_routes_are_there_with_and_without_v1(url: str) -> None:
    for prefix in ("", "/v1"):
        assert [model["id"] for model in call(f"{url}{prefix}/models")[1]["data"]] == ["demo"]
        assert ask(f"{url}{prefix}".removesuffix("/v1"), "route")[0] == 200
    status, answer = call(f"{url}/v2/models")
    assert (status, answer["error"]["code"]) == (404, "unknown_url")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "JSON"),
        (b"[]", 400, "JSON"),
        ({"model": "demo"}, 400, "messages"),
        ({"model": "demo", "messages": []}, 400, "messages"),
        ({"model": "demo", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "text"),
        ({"model": "gpt-9", "messages": [{"role": "user", "content": "a"}]}, 404, "gpt-9"),
        ({"model": "demo+oops=1", "messages": [{"role": "user", "content": "a"}]}, 400, "'oops'"),
        ({"model": "demo", "messages": [{"role": "user", "content": "[[demo rate=-1]]"}]}, 400, "'rate=-1'"),
        ({"model": "demo+status=200", "messages": [{"role": "user", "content": "a"}]}, 400, "'status=200'"),
        ({"model": "demo+field=x", "messages": [{"role": "user", "content": "a"}]}, 400, "'field=x'"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(url: str, body: Any, status: int, words: str) -> None:
    got, answer = call(f"{url}/v1/chat/completions", body)
    assert (got, answer["error"]["type"]) == (status, "invalid_request_error")
    assert words in answer["error"]["message"]


@pytest.mark.parametrize("request_bytes", [b"hello\r\n\r\n", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_what_is_not_http_for_it_is_refused_and_closed(url: str, request_bytes: bytes) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as sock:
        sock.sendall(request_bytes)
        answer = b""
        while part := sock.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 4")


def test_a_block_in_any_message_wins_over_the_model_and_leaves_the_text(url: str) -> None:
    messages = [
        {"role": "system", "content": "Be brief. [[demo tokens=3]]"},
        {"role": "user", "content": [{"type": "text", "text": " Hi [[demo]]"}, {"type": "text", "text": "there"}]},
    ]
    request = {"model": "demo+rate=0+tokens=9", "messages": messages}
    _, answer = call(f"{url}/v1/chat/completions", request)
    assert answer["usage"]["completion_tokens"] == 3
    assert answer["choices"][0]["finish_reason"] == "stop"
    _, echo = call(f"{url}/v1/chat/completions", {**request, "model": "demo+rate=0+echo"})
    assert echo["choices"][0]["message"]["content"] == " Hi there"
    assert call(f"{url}/stats?key=Hi+there")[1]["requests"] == 2


def test_faults_have_their_like_without_a_stream(url: str) -> None:
    for fault in ("error=1", "badjson=1", "fin=1"):
        with pytest.raises(json.JSONDecodeError):
            ask(url, "whole", f"demo+rate=0+{fault}")
    with pytest.raises(ConnectionResetError):
        ask(url, "whole", "demo+rate=0+drop=1")
    _, answer = ask(url, "whole", "demo+rate=0+filter=2+think=2")
    assert answer["choices"][0]["finish_reason"] == "content_filter"
    assert answer["choices"][0]["message"]["reasoning_content"] == "Let me"
    seen = call(f"{url}/stats?key=whole")[1]
    assert (seen["failed"], seen["finished"], seen["open"]) == (4, 1, 0)


def test_statistics_count_by_prompt_and_start_again_at_a_reset(url: str) -> None:
    call(f"{url}/stats/reset", {})
    with sent(url, "silent", "demo+rate=0+tokens=5+stall=2"):
        assert call(f"{url}/stats/wait?key=silent&event=stalled")[0] == 200
        assert ask(url, "loud", "demo+rate=0+tokens=7")[0] == 200
        stats = call(f"{url}/stats")[1]
        quiet = {"requests": 1, "open": 1, "closed_by_client": 0, "finished": 0, "failed": 0, "tokens": 2}
        whole = {"requests": 1, "open": 0, "closed_by_client": 0, "finished": 1, "failed": 0, "tokens": 7}
        assert stats["prompts"] == {"silent": quiet, "loud": whole}
        happened = [
            call(f"{url}/stats/wait?key=silent&event={event}")[1]["at"]
            for event in ("request", "headers", "first_token", "stalled")
        ]
        assert happened == sorted(happened)
        assert abs(happened[0] - time.monotonic()) < 60, "the clock is the system's"
        call(f"{url}/stats/reset", {})
    assert ask(url, "after")[0] == 200
    assert list(call(f"{url}/stats")[1]["prompts"]) == ["after"], "an old request does not come back by its end"


def test_waiting_ends_with_the_event_or_with_its_timeout(url: str) -> None:
    answers: list[Any] = []
    wait = f"{url}/stats/wait?key=later&event=finished&count=2"
    waiter = threading.Thread(target=lambda: answers.append(call(wait)))
    waiter.start()
    ask(url, "later")
    assert call(f"{wait}&timeout=0.05")[0] == 408
    ask(url, "later")
    waiter.join(10)
    ((status, event),) = answers
    assert (status, event["event"], event["key"]) == (200, "finished", "later")
    for bad in ("key=a", "key=a&event=never", "event=request", "key=a&event=request&timeout=soon"):
        assert call(f"{url}/stats/wait?{bad}")[0] == 400
