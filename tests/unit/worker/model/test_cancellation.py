"""A silent model on a real socket: a call ends within a second of being told to, whenever its socket opened."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from cli.launch.listening import Listener, listen
from jobs.settings import Settings
from worker.attempt_state import Reason
from worker.model.cancellation import Call, Cancellation, Stopped, Timeouts
from worker.model.errors import ModelError
from worker.model.http.http_client import http_client

PATIENCE = Timeouts(first=10, gap=5, total=100)


class Silent:
    """A server that takes a request and says nothing, and a client like the worker's."""

    def __init__(self, listener: Listener) -> None:
        self.listener, self.client = listener, http_client(Settings.load(openai_base_url=listener.url))
        self.accepted: list[socket.socket] = []

    def ask(self, stop: Cancellation, begun: Callable[[Call], object] = repr) -> float:
        """A call that nobody answers; how many seconds it took. Raises what `check` says of its end."""
        with stop.call(PATIENCE) as call:
            begun(call)
            start = time.monotonic()
            with pytest.raises(httpx2.HTTPError):
                self.client.post(self.listener.url, content=b"x")
            call.check()
            return time.monotonic() - start

    def wait(self) -> socket.socket:
        """The connection of a call that has sent its request and waits."""
        connection, _ = self.listener.socket.accept()
        self.accepted.append(connection)
        request = b""
        while not request.endswith(b"\r\n\r\nx"):
            request += connection.recv(65536)
        return connection


@pytest.fixture
def silent() -> Iterator[Silent]:
    with listen("127.0.0.1", 0) as listener:
        silent = Silent(listener)
        yield silent
        silent.client.close()
        for connection in silent.accepted:
            connection.close()


@pytest.mark.parametrize("reason", Reason)
def test_invariant_7_cancel_stops_the_spend_of_a_silent_model(silent: Silent, reason: Reason) -> None:
    stop = Cancellation()
    with ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(silent.ask, stop) for _ in range(2)]
        connections = [silent.wait() for _ in asking]
        stopped_at = time.monotonic()
        stop.request(reason)
        stop.request(Reason.CANCEL)
        for call, connection in zip(asking, connections, strict=True):
            with pytest.raises(Stopped):
                call.result(timeout=10)
            assert connection.recv(1) == b""  # the model's side sees the end
        assert time.monotonic() - stopped_at < 1
    assert stop.reasons == {reason, Reason.CANCEL}


def test_a_socket_that_opens_after_the_shut_is_shut_too(silent: Silent) -> None:
    assert silent.ask(Cancellation(), Call.shut) < 1


def test_nothing_begins_once_told_to_stop(silent: Silent) -> None:
    stop = Cancellation()
    stop.request(Reason.DRAIN)
    for use in (lambda: silent.ask(stop), lambda: stop.wait(3600), stop.check):
        with pytest.raises(Stopped):
            use()


def test_a_call_that_begins_while_it_is_told_to_stop_is_stopped(silent: Silent) -> None:
    def begin(stop: Cancellation, start: threading.Barrier) -> None:
        start.wait()
        silent.ask(stop)

    with ThreadPoolExecutor(1) as threads:
        for stop, start in [(Cancellation(), threading.Barrier(2)) for _ in range(30)]:
            asking = threads.submit(begin, stop, start)
            start.wait()
            stop.request(Reason.DRAIN)
            with pytest.raises(Stopped):
                asking.result(timeout=10)


def test_silence_is_a_fault_and_shuts_the_call(silent: Silent) -> None:
    stop = Cancellation()
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(silent.ask, stop)
        silent.wait()
        stop.check_silence(time.monotonic() + 11)
        with pytest.raises(ModelError, match="said nothing for 10 s"):
            asking.result(timeout=10)


@pytest.mark.parametrize(
    ("chunks", "seconds", "words"),
    [
        ([], 9, None),
        ([False, False], 11, "said nothing for 10 s"),  # signs of life before the first word do not count
        ([True], 4, None),
        ([True, False], 6, "fell silent for 5 s"),
        ([True], 101, "took longer than 100 s"),
    ],
    ids=str,
)
def test_patience(chunks: list[bool], seconds: float, words: str | None) -> None:
    with Cancellation().call(PATIENCE) as call:
        for text in chunks:
            call.progress(text=text)
        call.check_silence(time.monotonic() + seconds)
        if words is None:
            call.check()
        else:
            with pytest.raises(ModelError, match=words):
                call.check()


@pytest.mark.parametrize("text", [False, True])
def test_signs_of_life_are_worth_more_patience_but_not_without_end(text: bool) -> None:
    with Cancellation().call(Timeouts(first=0.2, gap=0.2, total=100, alive=0.6)) as call:
        if text:
            call.progress(text=True)
        begun = time.monotonic()
        while not call.is_shut:
            assert call.heard(b": keep-alive") == b": keep-alive"
            time.sleep(0.02)
            call.check_silence(time.monotonic())
        assert 0.55 < time.monotonic() - begun < 5
        with pytest.raises(ModelError, match="only kept the connection alive for 0.6 s"):
            call.check()


def test_a_call_whose_answer_has_ended_is_shut_soon_and_without_a_fault() -> None:
    with Cancellation().call(PATIENCE) as call:
        call.progress(text=True)
        call.answer_ended()
        call.check_silence(time.monotonic() + 1)
        assert not call.is_shut
        call.check_silence(time.monotonic() + 4)
        assert call.is_shut
        call.check()
