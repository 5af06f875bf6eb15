"""ops/nginx with Debian's nginx: what a web process behind it sees, and what never reaches one."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support import nginx
from tests.support.up import ROOT

pytestmark = pytest.mark.skipif(not nginx.PROGRAM or not shutil.which("openssl"), reason="no nginx, or no openssl")

FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=203.0.113.9",
}


class Echo(BaseHTTPRequestHandler):
    """Answers with the path and the headers that it got; a stream waits for a word after its first event."""

    protocol_version = "HTTP/1.1"
    go_on = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path == "/stream":
            self._stream()
            return
        body = json.dumps({"path": self.path, "headers": dict(self.headers.items())}).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def _stream(self) -> None:
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: 1\n\n")
        assert self.go_on.wait(30)
        self.wfile.write(b"data: 2\n\n")

    def log_message(self, *_: Any) -> None:
        """Say nothing of each request."""


@pytest.fixture(scope="module")
def web() -> Iterator[int]:
    """The port of a web process."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def proxy(web: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[nginx.Nginx]:
    """The proxy before a web process that is gone, and one that answers."""
    proxy = nginx.Nginx(tmp_path_factory.mktemp("proxy") / "nginx")
    # Bound, so that nobody else takes the port, and not listened on.
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        process = proxy.start(f"127.0.0.1:{gone.getsockname()[1]}", f"127.0.0.1:{web}")
        yield proxy
        process.kill()
        proxy.close()


@pytest.fixture
def client(proxy: nginx.Nginx) -> Iterator[httpx2.Client]:
    """A browser, say."""
    context = ssl.create_default_context(cafile=str(proxy.certificate))
    with httpx2.Client(verify=context, trust_env=False, timeout=30) as client:
        yield client


def test_the_client_is_who_the_connection_comes_from(proxy: nginx.Nginx, client: httpx2.Client) -> None:
    for url, prefix, scheme in (
        (proxy.url, None, "http"),
        (proxy.url_below_a_path, "/penstock", "http"),
        (proxy.url_with_tls, None, "https"),
    ):
        echo = client.get(f"{url}/jobs?q=words", headers=FORGED).json()
        host = urlsplit(url).netloc
        assert echo["path"] == "/jobs?q=words"  # without the prefix
        assert {name: echo["headers"].get(name) for name in ("Host", *FORGED)} == {
            "Host": host,
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Host": host,
            "X-Forwarded-Proto": scheme,
            "X-Forwarded-Prefix": prefix,
            "Forwarded": None,
        }


def test_events_go_on_as_they_come(proxy: nginx.Nginx, client: httpx2.Client) -> None:
    with client.stream("GET", f"{proxy.url}/stream") as answer:
        events = answer.iter_lines()
        assert next(events) == "data: 1"
        Echo.go_on.set()  # only now is there a second one
        assert [line for line in events if line] == ["data: 2"]


def test_what_is_counted_and_what_is_too_large_goes_nowhere(proxy: nginx.Nginx, client: httpx2.Client) -> None:
    for url in (proxy.url, proxy.url_below_a_path, proxy.url_with_tls):
        assert client.get(f"{url}/metrics").status_code == 404
        assert client.post(f"{url}/v1/responses", content=b"x" * 8_700_000).status_code == 200  # Penstock refuses it
        assert client.post(f"{url}/v1/responses", content=b"x" * 9_000_000).status_code == 413


def test_over_tls_a_browser_gets_http_2(proxy: nginx.Nginx) -> None:
    context = ssl.create_default_context(cafile=str(proxy.certificate))
    context.set_alpn_protocols(["h2", "http/1.1"])
    place = urlsplit(proxy.url_with_tls)
    with (
        socket.create_connection((place.hostname, place.port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        assert connection.selected_alpn_protocol() == "h2"


def test_a_web_process_that_is_gone_is_passed_over_and_no_log_has_a_search(
    proxy: nginx.Nginx, client: httpx2.Client
) -> None:
    assert client.post(f"{proxy.url}/v1/responses?q=secretwords", content=b"{}").status_code == 200
    log = (proxy.directory / "nginx.log").read_text()
    assert " POST /v1/responses 200 " in log
    assert ", 127.0.0.1:" in log  # two were asked
    assert "secretwords" not in log


def test_one_address_may_ask_for_so_much(web: int, tmp_path: Path, client: httpx2.Client) -> None:
    proxy = nginx.Nginx(tmp_path / "nginx")
    proxy.replace("penstock.conf", "rate=50r/s", "rate=1r/m")
    proxy.replace("proxy.conf", "burst=200", "burst=2")
    process = proxy.start(f"127.0.0.1:{web}")
    try:
        assert [client.get(f"{proxy.url}/jobs").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    finally:
        process.kill()
        proxy.close()


def test_nginx_of_docker_looks_webs_up_again() -> None:
    text = (ROOT / "ops" / "nginx" / "webs.conf").read_text()
    assert "server web:8000 resolve max_fails=0;" in text
    assert "\nresolver 127.0.0.11 " in text


@pytest.mark.skipif(not shutil.which("caddy"), reason="no caddy on this machine")
def test_caddy_takes_its_file(tmp_path: Path) -> None:
    argv = ["caddy", "adapt", "--config", str(ROOT / "ops" / "caddy" / "Caddyfile"), "--validate"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
