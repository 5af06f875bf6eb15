"""Chains of users that are stopped: none of them outlives its job."""

from __future__ import annotations

import threading
import time

import pytest

from tests.support.chains import pieces
from tests.support.stack import DemoModel
from worker.attempt_state import Reason
from worker.context import WorkerContext
from worker.model.cancellation import Cancellation, Stopped
from worker.model.chunks import ChunkReader
from worker.model.errors import ModelError

STREAMS = {"plain": "plain", "with a parser": "parsed", "in branches": "branches", "kept to itself": "collected"}


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(
    ("script", "event"), [("stall=5", "stalled"), ("first=600", "headers")], ids=["silent", "slow"]
)
def test_invariant_7_cancel_stops_the_spend_of_a_chain(
    context: WorkerContext, demo: DemoModel, way: str, script: str, event: str
) -> None:
    stop, topic = Cancellation(), f"{way}, {script}"
    ended = threading.Event()

    def read_to_end() -> None:
        with pytest.raises(Stopped):
            list(pieces(context, STREAMS[way], topic, stop, ChunkReader(), model=f"demo+rate=0+{script}"))
        ended.set()

    threading.Thread(target=read_to_end).start()
    demo.wait(topic, event)
    stopped_at = time.monotonic()
    stop.request(Reason.CANCEL)
    assert demo.wait(topic, "closed_by_client") - stopped_at < 2
    assert ended.wait(10)


@pytest.mark.parametrize("name", ["parsed", "foreign"])
@pytest.mark.parametrize("cancelled", [True, False])
def test_a_chain_that_is_left_does_not_read_its_model_to_the_end(
    context: WorkerContext, demo: DemoModel, name: str, cancelled: bool
) -> None:
    stop, topic = Cancellation(), f"{name} is left, {cancelled}"
    answer_pieces = pieces(context, name, topic, stop, ChunkReader(), model="demo+rate=50+tokens=3000")
    next(answer_pieces)
    if cancelled:
        stop.request(Reason.CANCEL)
        with pytest.raises(Stopped):
            next(answer_pieces)
    else:
        answer_pieces.close()  # type: ignore[attr-defined]
    demo.wait(topic, "closed_by_client")
    assert demo.stats(topic)["tokens"] < 1000


def test_a_cancelled_chain_asks_nobody_else(context: WorkerContext, demo: DemoModel) -> None:
    stop = Cancellation()
    answer_pieces = pieces(context, "with_fallback", "nobody else", stop, ChunkReader(), model="demo+stall=0")

    def cancel() -> None:
        demo.wait("nobody else", "stalled")
        stop.request(Reason.CANCEL)

    threading.Thread(target=cancel).start()
    with pytest.raises(Stopped):
        next(answer_pieces)
    assert demo.stats("nobody else")["requests"] == 1


def test_a_silent_chain_is_overdue(context: WorkerContext, demo: DemoModel) -> None:
    stop = Cancellation()

    def look() -> None:
        demo.wait("overdue", "stalled")
        stop.check_silence(time.monotonic() + 100)

    threading.Thread(target=look).start()
    with pytest.raises(ModelError, match="for 60 s"):
        list(pieces(context, "parsed", "overdue", stop, ChunkReader(), model="demo+stall=3"))
