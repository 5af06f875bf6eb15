"""Bodies in chunks, however they are sent and cut: read straight from the socket where that can be done."""

from __future__ import annotations

import gzip
import itertools
import ssl
import threading
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.settings import Settings
from tests.support.certificates import OPENSSL, make_certificates
from tests.support.raw_answer import BODY, ask, read
from tests.support.raw_server import DONE, HEAD, HOLD, USAGE, Reply, raw_server
from worker.attempt_state import Reason
from worker.model.cancellation import Cancellation, Stopped, Timeouts
from worker.model.http.chunked_body import body_of, chunked
from worker.model.http.http_client import http_client

CHUNKED = HEAD.replace(b"Connection", b"Transfer-Encoding: chunked\r\nConnection")
ANSWER = BODY + USAGE + DONE


def in_chunks(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


@given(st.lists(st.binary(min_size=1, max_size=40)), st.lists(st.integers(0, 10_000), max_size=20))
def test_what_is_in_the_chunks_does_not_depend_on_how_they_come(pieces: list[bytes], places: list[int]) -> None:
    assert b"".join(chunked(cut(in_chunks(*pieces), places))) == b"".join(pieces)


@pytest.mark.parametrize("header", [b"3;name=value\r\n", b"003\r\n", b"3 \r\n", b"3\n", b"3 ; a\n"])
def test_headers_of_every_form_are_read(header: bytes) -> None:
    assert b"".join(chunked([header + b"abc\r\n0\r\nTrailer: x\r\n\r\n"])) == b"abc"


@pytest.mark.parametrize(
    "body", [b"-3\r\nabc\r\n", b"0x3\r\nabc\r\n", b"\r\n3\r\nabc", b"3\r\nabcd\r\n0\r\n\r\n", b"3;" + b"x" * 5000]
)
def test_a_broken_header_is_said(body: bytes) -> None:
    with pytest.raises(httpx2.RemoteProtocolError, match="illegal chunk header"):
        list(chunked([body]))


@pytest.mark.parametrize("end", [b"", b"5", b"5\r", b"5\r\n", b"5\r\nabc"])
def test_a_body_that_ends_too_early_is_said_after_what_it_had(end: bytes) -> None:
    body = chunked([in_chunks(b"text", end=end)])
    assert next(body).startswith(b"text")
    with pytest.raises(httpx2.RemoteProtocolError, match="incomplete chunked read"):
        list(body)


@pytest.mark.parametrize("places", [[], [1], range(0, 400, 3), range(400)], ids=["whole", "two", "threes", "single"])
def test_an_answer_is_the_same_however_head_and_body_are_cut(places: list[int]) -> None:
    assert read(Reply(cut(CHUNKED + in_chunks(ANSWER[:20], ANSWER[20:]), [*places]))).text == "Yes."


def test_the_usual_form_is_read_from_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx2.Response, "iter_bytes", lambda *_: pytest.fail("it went through httpx"))
    assert read(Reply([CHUNKED + in_chunks(ANSWER)])).text == "Yes."


def test_a_packed_body_is_unpacked() -> None:
    head = CHUNKED.replace(b"Connection", b"Content-Encoding: gzip\r\nConnection")
    assert read(Reply([head + in_chunks(gzip.compress(ANSWER))])).text == "Yes."


def test_a_preliminary_head_is_passed_over() -> None:
    assert read(Reply([b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + CHUNKED + in_chunks(ANSWER)])).text == "Yes."


@pytest.mark.skipif(OPENSSL is None, reason="no openssl on this machine")
def test_an_encrypted_answer_is_read_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    whole, begun = Reply([CHUNKED + in_chunks(ANSWER)]), Reply([CHUNKED + in_chunks(ANSWER[:40], end=b"")], HOLD)
    with raw_server(whole, begun, tls=context) as server:
        assert ask(server).text == "Yes."
        stop = Cancellation()
        with stop.call(Timeouts(10, 10, 10)) as call, http_client(Settings.load(openai_base_url=server.url)) as client:
            with client.stream("POST", f"{server.url}/chat/completions", json={}) as response:
                body = body_of(response)
                assert next(body) == ANSWER[:40]
                threading.Timer(0.2, stop.request, [Reason.CANCEL]).start()
                with pytest.raises(httpx2.TransportError):
                    next(body)
            with pytest.raises(Stopped):
                call.check()
