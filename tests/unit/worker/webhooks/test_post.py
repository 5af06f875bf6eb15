"""One POST: to what the name leads to at that moment, within a time, and nowhere else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import OPENSSL, make_certificates
from tests.support.receiver import Receiver, receiver
from worker.webhooks import post as posting
from worker.webhooks.post import NotDelivered, post


@pytest.fixture
def endpoint() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does with its first connection whatever it likes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)  # what is left unread would reset the connection
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.close()
        thread.join()


def resolved(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[Any]:
    """Let every name lead to these addresses; the list is of what is asked."""
    asked: list[Any] = []
    real = socket.getaddrinfo

    def answer(host: str, port: int, *arguments: Any, **options: Any) -> list[Any]:
        if host in addresses:  # an address is no name
            return real(host, port, *arguments, **options)
        asked.append(host)
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def problem(url: str, **options: Any) -> str:
    with pytest.raises(NotDelivered) as failed:
        post(url, b"{}", {}, **{"allow_private": True, **options})
    return str(failed.value)


def test_the_body_and_the_headers_arrive_and_the_status_comes_back(endpoint: Receiver) -> None:
    endpoint.statuses["/hook?a=1"] = 202
    assert post(f"{endpoint.url}/hook?a=1#part", b"body", {"webhook-id": "wh_1"}, allow_private=True) == 202
    assert post(endpoint.url + "?a", b"", {}, allow_private=True) == 204
    first, second = endpoint.requests
    assert (first.path, first.body, first.headers["webhook-id"]) == ("/hook?a=1", b"body", "wh_1")
    assert first.headers["host"] == f"127.0.0.1:{endpoint.port}"
    assert second.path == "/?a"


def test_a_redirect_is_an_answer_and_not_followed(endpoint: Receiver) -> None:
    endpoint.statuses["/hook"] = 307
    assert post(f"{endpoint.url}/hook", b"{}", {}, allow_private=True) == 307
    assert [request.path for request in endpoint.requests] == ["/hook"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]"])
def test_a_private_address_is_refused_however_it_is_written(endpoint: Receiver, host: str) -> None:
    for scheme in ("https", "http"):
        assert problem(f"{scheme}://{host}:{endpoint.port}/", allow_private=False) == "private_address"
    assert not endpoint.requests


def test_a_name_is_resolved_once_and_only_what_was_checked_is_connected_to(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolved(monkeypatch, "127.0.0.1")
    assert problem(f"https://hook.example:{endpoint.port}/", allow_private=False) == "private_address"
    assert post(f"http://hook.example:{endpoint.port}/", b"{}", {}, allow_private=True) == 204
    assert asked == ["hook.example", "hook.example"]
    assert endpoint.requests[0].headers["host"] == f"hook.example:{endpoint.port}"


def test_of_many_addresses_only_the_allowed_are_tried() -> None:
    both = ["10.0.0.1", "8.8.8.8"]
    assert posting._allowed(both, is_tls=True, allow_private=False) == ["8.8.8.8"]
    assert posting._allowed(both, is_tls=False, allow_private=True) == ["10.0.0.1"]
    with pytest.raises(NotDelivered, match="no_tls"):
        posting._allowed(["8.8.8.8"], is_tls=False, allow_private=True)


def test_the_next_address_is_tried_when_one_does_not_answer(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved(monkeypatch, "127.0.0.9", "127.0.0.1")
    assert post(f"http://hook.example:{endpoint.port}/", b"{}", {}, allow_private=True) == 204


def test_who_answers_byte_by_byte_is_cut_off_at_the_deadline() -> None:
    def drip(connection: socket.socket) -> None:
        for _ in range(600):
            connection.sendall(b"H")
            time.sleep(0.05)

    with raw_server(drip) as url:
        began = time.monotonic()
        assert problem(url, seconds=0.5) == "timeout"
        assert time.monotonic() - began < 20


def test_what_goes_wrong_has_a_code() -> None:
    with raw_server(lambda connection: connection.sendall(b"SSH-2.0-none\r\n\r\n")) as url:
        assert problem(url) == "bad_answer"
    with raw_server(lambda connection: connection.sendall(b"no TLS")) as url:
        assert problem(url.replace("http:", "https:")) == "tls_failed"
    assert problem(url) == "unreachable"
    assert problem("http://name.invalid/") == "unresolved"


@pytest.mark.skipif(OPENSSL is None, reason="no openssl on this machine: install it")
def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_certificates(tmp_path)
    with receiver((made.certificate, made.key)) as endpoint:
        assert problem(f"{endpoint.url}/hook") == "bad_certificate"
        monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
        posting._tls.cache_clear()
        try:
            assert post(f"{endpoint.url}/hook", b"{}", {}, allow_private=True) == 204
            resolved(monkeypatch, "127.0.0.1")
            assert problem(f"https://hook.example:{endpoint.port}/") == "bad_certificate"
        finally:
            posting._tls.cache_clear()


def test_a_resolver_that_does_not_answer_takes_no_longer_than_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def wait(*_: Any, **__: Any) -> list[Any]:
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    try:
        with pytest.raises(NotDelivered, match="unresolved"):
            post("http://example.org/", b"", {}, allow_private=True, seconds=0.2)
        assert not over.is_set()
    finally:
        over.set()
