"""A server that has one job."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.one_job_server import JOB, Wire


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def url(wire: Wire) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            if wire.status != 200:
                self.reply({"error": {"message": "in its own words", "type": "x", "param": None, "code": None}})
            elif "stream" not in query:
                self.reply(wire.snapshot if JOB in self.path else {"data": [wire.snapshot], "has_more": False})
            else:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                self.wfile.write(wire.stream(int(query.get("starting_after", ["-1"])[0])))
                if wire.holds:
                    self.wfile.flush()
                    wire.released.wait()

        def reply(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(wire.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        wire.released.set()
        server.shutdown()
        thread.join()
