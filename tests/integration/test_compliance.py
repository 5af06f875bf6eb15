"""The compliance kit: Penstock holds all of it, and a server that breaks a promise is told which."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from compliance.command import ALL_CHECKS, compliance
from tests.support.stack import Stack

# Method and path of a request, the status of its answer, and its body: as the last two are to be sent.
Fault = Callable[[str, int, bytes], tuple[int, bytes]]

_FRAME = re.compile(rb"event: .*?\n\n", re.DOTALL)


def run(url: str, *arguments: str) -> Result:
    """The command, with a model that is quick."""
    return CliRunner().invoke(compliance, ["--base-url", f"{url}/v1", "--model", "demo+rate=200", *arguments])


@contextmanager
def faulty(url: str, fault: Fault) -> Iterator[str]:
    """A server that asks the one at `url`, and spoils its answers."""
    place = urlsplit(url)

    class Spoiled(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            connection = HTTPConnection(place.netloc, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request(self.command, self.path, body=body, headers={**headers, "Connection": "close"})
            answered = connection.getresponse()
            status, sent = fault(f"{self.command} {self.path}", answered.status, answered.read())
            connection.close()
            self.send_response(status)
            self.send_header("Content-Type", answered.headers["Content-Type"])
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815  (the names that http.server looks for)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Spoiled)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_penstock_holds_all_of_it(penstock: Stack) -> None:
    done = run(penstock.url)
    assert done.exit_code == 0, done.output
    assert f"{len(ALL_CHECKS)} of {len(ALL_CHECKS)} hold. Out of scope: WebSocket" in done.output


def replaced(old: bytes, new: bytes) -> Fault:
    """A fault in what is sent."""
    return lambda _, status, sent: (status, sent.replace(old, new, 1))


def first_frame_lost(of: str) -> Fault:
    """A stream without its first frame, if this stands in its address."""
    return lambda asked, status, sent: (status, _FRAME.sub(b"", sent, count=1) if of in asked else sent)


FAULTS: dict[str, Fault] = {
    "background_create": replaced(b'"background":true', b'"background":false'),
    "stream_order": replaced(b'"sequence_number":3', b'"sequence_number":2'),
    "stream_items": replaced(b'"response.content_part.added"', b'"response.content_part.x"'),
    "resume_at_each_cursor": first_frame_lost("starting_after"),
    "resume_from_the_beginning": first_frame_lost("GET"),
    "cancel_an_ended_one": lambda _, status, sent: (409 if status == 400 else status, sent),
    "open_responses_basic": replaced(b'"truncation":', b'"truncated":'),
    "open_responses_streaming": replaced(b'"content_index":0,"delta"', b'"delta"'),
    "open_responses_tool_call_streaming": replaced(b"arguments.done", b"arguments.end"),
    "errors_not_found": replaced(b'"error"', b'"detail"'),
}


@pytest.mark.parametrize("check", FAULTS)
def test_a_broken_promise_is_told_by_its_name(penstock: Stack, check: str) -> None:
    with faulty(penstock.url, FAULTS[check]) as url:
        done = run(url, "--only", check, "--json")
    assert done.exit_code == 1
    (result,) = json.loads(done.stdout)
    assert (result["name"], bool(result["problem"])) == (check, True)


def test_a_server_that_is_none_fails_without_a_traceback(penstock: Stack) -> None:
    done = run(f"{penstock.url}/nowhere", "--only", "errors", "--only", "delete")
    assert (done.exit_code, "Traceback" in done.output) == (1, False)
    assert "FAILED delete" in done.output


def test_checks_are_listed_with_what_they_say() -> None:
    listed = CliRunner().invoke(compliance, ["--base-url", "http://unused", "--list"]).output.splitlines()
    assert len(listed) == len(ALL_CHECKS)
    assert all(len(line.split()) > 3 for line in listed)
    refused = CliRunner().invoke(compliance, ["--base-url", "http://unused", "--only", "nothing"])
    assert (refused.exit_code, "background_create" in refused.output) == (2, True)
