"""What a server on the open net needs: no proxy without sign-in, plain words behind one, 400 for rubbish."""

from __future__ import annotations

import json
import secrets
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx2
import pytest

from jobs.errors import BadSetting
from jobs.settings import Settings
from jobs.storage.access.api_keys import ApiKeys
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create
from web.app import create_app

HTML = {"Accept": "text/html"}
WAITING = 20


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock with keys and one proxy in front, on a name of its own."""
    directory = tmp_path_factory.mktemp("proxied") / "data"
    with running_stack(
        directory, PENSTOCK_AUTH="keys", PENSTOCK_TRUSTED_PROXIES="1", PENSTOCK_WAITING_REQUESTS=str(WAITING)
    ) as running:
        yield running


def raw(url: str, data: bytes) -> bytes:
    """The beginning of what a server answers to these bytes, behind which nothing comes."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(65536)


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Real-IP", "Via", "Forwarded"],
)
def test_without_sign_in_nothing_comes_through_a_proxy(penstock: Stack, header: str) -> None:
    for path in ("/", "/v1/responses", "/jobs"):
        answer = httpx2.get(f"{penstock.url}{path}", headers={header: "for=203.0.113.7"}, trust_env=False)
        assert answer.status_code == 403
        assert "PENSTOCK_AUTH=keys" in answer.json()["error"]["message"]
    assert httpx2.get(f"{penstock.url}/healthz", headers={header: "x"}, trust_env=False).status_code == 200


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "null", "http://a b", "\\", "http://127.0.0.1:1"])
def test_a_malformed_origin_is_refused_not_failed(penstock: Stack, origin: str) -> None:
    answer = httpx2.post(f"{penstock.url}/v1/responses", headers={"Origin": origin}, content=b"{}", trust_env=False)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"5\r\nab\r\n0\r\n\r\n",
        b"-1\r\n\r\n",
        b"5;x=y\r\n{}{}{}\r\n",
        b"ffffffffffffffffffff\r\nx",
    ],
)
def test_a_broken_chunked_body_is_the_clients_fault(penstock: Stack, body: bytes) -> None:
    head = b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert raw(penstock.url, head + body).startswith(b"HTTP/1.1 400 ")


def test_an_oversized_chunked_body_is_413(penstock: Stack) -> None:
    chunk = b"%x\r\n%b\r\n" % (1 << 20, b" " * (1 << 20))
    connection = HTTPConnection(urlsplit(penstock.url).netloc, timeout=20)
    connection.putrequest("POST", "/v1/responses")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    for _ in range(4):
        connection.send(chunk)
    connection.send(b"0\r\n\r\n")
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error"]["type"] == "invalid_request_error"
    connection.close()


def test_http_1_1_without_a_host_is_400(penstock: Stack) -> None:
    assert raw(penstock.url, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("limit", ["0000000010000", "101", "0", "000", "-1", "1e2", "٣", "9" * 400])
def test_a_limit_is_compared_as_the_number_that_it_is(penstock: Stack, limit: str) -> None:
    answer = httpx2.get(f"{penstock.url}/v1/responses", params={"limit": limit}, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "limit"


def test_a_limit_may_have_zeros_in_front(penstock: Stack) -> None:
    answer = httpx2.get(f"{penstock.url}/v1/responses", params={"limit": "0002"}, trust_env=False)
    assert (answer.status_code, len(answer.json()["data"]) <= 2) == (200, True)


def test_every_answer_of_an_owner_is_kept_nowhere_and_framed_nowhere(penstock: Stack) -> None:
    job = create(penstock.url, input="kept nowhere [[demo tokens=5]]")["id"]
    for path in ("/", "/jobs", f"/jobs/{job}", f"/jobs/{job}.html", f"/jobs/{job}.json", f"/v1/responses/{job}"):
        headers = httpx2.get(f"{penstock.url}{path}", trust_env=False).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        for directive in ("frame-ancestors 'none'", "base-uri 'none'", "form-action"):
            assert directive in headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in headers


def test_behind_tls_the_cookie_is_of_this_host_alone(tmp_path: object) -> None:
    settings = Settings.load(data=tmp_path, secure_cookies=True, secret="0123456789abcdef" * 2)
    app = create_app(settings)
    assert app.config["SESSION_COOKIE_NAME"] == "__Host-penstock"
    answer = app.test_client().get("/healthz", headers={"Host": "127.0.0.1"})
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


def test_a_short_secret_is_refused(tmp_path: object) -> None:
    with pytest.raises(BadSetting, match="PENSTOCK_SECRET has 31 characters; it needs 32"):
        create_app(Settings.load(data=tmp_path, secret="x" * 31))


# -- behind a proxy ------------------------------------------------------------------------------------------------


def test_a_proxy_that_changes_the_host_is_told_what_to_set(proxied: Stack) -> None:
    headers = {"Origin": "https://reports.example"}
    answer = httpx2.post(f"{proxied.url}/signin", headers=headers, data={"key": "x"}, trust_env=False)
    assert answer.status_code == 403
    message = answer.json()["error"]["message"]
    assert "https://reports.example" in message
    assert "proxy_set_header Host $http_host;" in message
    assert "PENSTOCK_TRUSTED_PROXIES" in message


def test_the_name_and_path_that_a_trusted_proxy_gives_are_believed(proxied: Stack) -> None:
    secret = ApiKeys(proxied.database).create(secrets.token_hex(4))
    forwarded = {
        "X-Forwarded-Host": "reports.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/penstock",
        "Origin": "https://reports.example",
        **HTML,
    }
    with httpx2.Client(base_url=proxied.url, headers=forwarded, trust_env=False) as browser:
        assert browser.get("/").headers["Location"] == "/penstock/signin"
        answer = browser.post("/signin", data={"key": secret})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/penstock/")
        assert "Path=/penstock" in answer.headers["Set-Cookie"]
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        page = browser.get("/", headers={"Cookie": cookie})
        assert page.status_code == 200
        local = [address for address in _addresses(page.text) if address.startswith("/")]
        assert local
        assert all(address.startswith("/penstock/") for address in local)
        assert 'data-root="/penstock"' in page.text
        made = browser.post("/jobs", data={"prompt": "story", "topic": "t"}, headers={"Cookie": cookie})
        assert made.headers["Location"].startswith("/penstock/jobs/resp_")


def test_signing_out_ends_the_session_of_every_copy_of_the_cookie(proxied: Stack) -> None:
    secret = ApiKeys(proxied.database).create(secrets.token_hex(4))
    with httpx2.Client(base_url=proxied.url, headers=HTML, trust_env=False) as browser:
        browser.post("/signin", data={"key": secret})
        copy = {"Cookie": f"penstock={browser.cookies['penstock']}"}
        assert httpx2.get(f"{proxied.url}/jobs", headers=copy, trust_env=False).status_code == 200
        assert browser.post("/signout").status_code == 303
    assert httpx2.get(f"{proxied.url}/v1/responses", headers=copy, trust_env=False).status_code == 401


def test_a_revoked_key_ends_its_open_streams(proxied: Stack) -> None:
    keys = ApiKeys(proxied.database)
    owner = secrets.token_hex(4)
    lost, kept = keys.create(owner), keys.create(owner)
    bearer = {"Authorization": f"Bearer {lost}"}
    job = create(proxied.url, bearer, input="revoked [[demo tokens=4000 rate=20]]")["id"]
    with (
        httpx2.stream("GET", f"{proxied.url}/v1/responses/{job}?stream=true", headers=bearer, timeout=30) as stream,
        httpx2.stream(
            "GET",
            f"{proxied.url}/v1/responses/{job}?stream=true",
            headers={"Authorization": f"Bearer {kept}"},
            timeout=30,
        ) as other,
    ):
        pieces, others = stream.iter_raw(), other.iter_raw()
        next(pieces)
        next(others)
        revoked = next(key for key in keys.list() if key.owner == owner)
        keys.revoke(revoked.id)
        began = time.monotonic()
        with pytest.raises(httpx2.HTTPError):
            for _ in pieces:
                pass
        assert time.monotonic() - began < 4  # promised: 2 s
        assert next(others)
    httpx2.post(
        f"{proxied.url}/v1/responses/{job}/cancel", headers={"Authorization": f"Bearer {kept}"}, trust_env=False
    )
    wait_for(lambda: proxied.model.stats("revoked").get("open", 0) == 0)


def _addresses(page: str) -> list[str]:
    pieces = [piece for mark in ('href="', 'src="', 'action="') for piece in page.split(mark)[1:]]
    return [piece.partition('"')[0] for piece in pieces]


def test_behind_a_proxy_half_sent_requests_count_by_the_client_that_it_names(proxied: Stack) -> None:
    key = ApiKeys(proxied.database).create("slow")
    address = urlsplit(proxied.url)

    def half_sent(client: str) -> socket.socket:
        head = f"POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 9\r\n"
        connection = connections.enter_context(socket.create_connection((address.hostname, address.port), timeout=3))
        connection.sendall(f"{head}X-Forwarded-For: {client}\r\n\r\n".encode())
        return connection

    with ExitStack() as connections:
        held = [half_sent("203.0.113.7") for _ in range(WAITING + 1)]
        refused, _, _ = select.select(held, [], [], 20)
        assert [connection.recv(12) for connection in refused] == [b"HTTP/1.1 429"]
        # The same owner from elsewhere has no more room either, but everybody else does.
        assert half_sent("203.0.113.8").recv(12) == b"HTTP/1.1 429"
        assert (
            raw(proxied.url, b"POST /signin HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nkey=")[:12]
            == b"HTTP/1.1 401"
        )
