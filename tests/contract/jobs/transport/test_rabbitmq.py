"""RabbitMQ in place of Redis for the wake-ups: it brings them, and no job waits for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.settings import Settings
from jobs.transport.queue import Queue, QueueAway
from tests.support.rabbitmq import PROGRAM, RabbitMQ, running_rabbitmq
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create, fetch

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="RabbitMQ is not installed: apt install rabbitmq-server")


@pytest.fixture
def rabbitmq(tmp_path: Path) -> Iterator[RabbitMQ]:
    with running_rabbitmq(tmp_path / "rabbitmq") as server:
        yield server


@pytest.fixture
def stack(rabbitmq: RabbitMQ, tmp_path: Path) -> Iterator[Stack]:
    """A Penstock whose wake-ups go through RabbitMQ."""
    with running_stack(tmp_path / "data", PENSTOCK_BROKER_URL=rabbitmq.url) as running:
        yield running


def run_job(stack: Stack) -> None:
    job = create(stack.url, input="[[demo tokens=10]]")["id"]
    wait_for(lambda: fetch(stack.url, f"/v1/responses/{job}")[1]["status"] == "completed")


def answers(queue: Queue) -> bool:
    try:
        queue.untaken()
    except QueueAway:
        return False
    return True


def test_wake_ups_go_through_rabbitmq_and_no_job_waits_for_it(rabbitmq: RabbitMQ, stack: Stack) -> None:
    def taken() -> int:
        return stack.workers[0].log.read_text().count(" received")

    queue = Queue(Settings.load(broker_url=rabbitmq.url), socket_seconds=20)
    run_job(stack)
    wait_for(lambda: taken() == 1)
    assert stack.redis.keys("penstock:celery:*") == []
    assert queue.untaken() == 0

    impatient = Queue(Settings.load(broker_url=rabbitmq.url), socket_seconds=1)
    wait_for(lambda: answers(impatient))  # what is frozen has its connection
    rabbitmq.send(signal.SIGSTOP)
    assert not answers(impatient)
    run_job(stack)
    rabbitmq.send(signal.SIGCONT)
    before = taken()
    queue.wake("resp_unknown")
    wait_for(lambda: taken() > before, 60)

    rabbitmq.kill()
    assert not answers(queue)
    run_job(stack)
    assert stack.workers[0].end() == 0
