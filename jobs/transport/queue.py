"""The Celery queue. A message is only a wake-up: it carries a job's id and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import redis
from amqp.exceptions import AMQPError
from celery import Celery
from celery.loaders.app import AppLoader
from kombu.exceptions import OperationalError

from jobs.errors import PenstockError
from jobs.settings import Settings
from jobs.transport.broker import broker_settings

GENERATE = "penstock.generate"


class QueueAway(PenstockError):
    """The broker takes no message; workers look for the job by themselves."""


class Queue:
    """Sends wake-ups. `app` is the Celery application behind it, for those who receive them.

    Early acknowledgement, no prefetch, no results, no remote control: with late acknowledgement one cut
    connection runs a long task twice, and a lost Redis ends the worker. Who owns a job is settled in the
    database.
    """

    def __init__(self, settings: Settings, *, socket_seconds: float = 10) -> None:
        self.app = Celery("penstock", set_as_current=False, loader=AppLoader)
        self.app.conf.update(
            **broker_settings(settings, socket_seconds),
            task_default_queue="penstock",
            task_acks_late=False,
            worker_prefetch_multiplier=1,
            task_ignore_result=True,
            task_serializer="json",
            accept_content=["json"],
            broker_connection_retry_on_startup=True,
            broker_connection_max_retries=None,
            # What Redis refuses (no memory, a full disk, a replica, a demoted primary) ends no worker.
            broker_channel_error_retry=True,
            # What a lost connection would cancel and count again: tasks not acknowledged and messages prefetched. There
            # are none, so these only silence Celery.
            worker_cancel_long_running_tasks_on_connection_loss=True,
            worker_enable_prefetch_count_reduction=False,
            worker_enable_remote_control=False,
            worker_send_task_events=False,
            worker_hijack_root_logger=False,
            worker_redirect_stdouts=False,
            task_publish_retry=False,
        )

    def wake(self, job_id: str) -> None:
        """Tell the workers that a job waits. Raises QueueAway."""
        with self._producer() as producer:
            self.app.send_task(GENERATE, args=[job_id], producer=producer)  # invariant 10

    def untaken(self) -> int:
        """How many wake-ups no worker has had room for yet. Raises QueueAway."""
        with self._producer() as producer:
            queue: Any = self.app.amqp.queues[self.app.conf.task_default_queue]
            return int(queue(producer.channel).queue_declare().message_count)

    @contextmanager
    def _producer(self) -> Iterator[Any]:
        with self.app.producer_pool.acquire(block=True) as producer:
            try:
                yield producer
            except (OperationalError, AMQPError, redis.RedisError, OSError) as error:
                # The next one gets a new connection: this one may lead to a primary that was demoted.
                cast(Any, producer.connection).collect()
                raise QueueAway(type(error).__name__) from error
