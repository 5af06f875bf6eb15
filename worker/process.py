"""One worker process: everything that generations share, built once, started, and drained at the end."""

from __future__ import annotations

import gc
import logging
import os
import socket
import threading
from functools import partial

import redis
from celery import Celery
from celery.signals import worker_shutting_down
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from jobs import queue
from jobs.attempts import Attempts
from jobs.database import Database
from jobs.event_log import EventLog
from jobs.liveness import Liveness, Observer
from jobs.settings import Settings
from jobs.store import Store
from worker.generate import Shop, generate
from worker.model import Models
from worker.publisher import Publisher
from worker.pulse import Pulse
from worker.rescue import Rescue
from worker.running import Running

_REDIS_SECONDS = 5.0

_log = logging.getLogger(__name__)


class WorkerProcess:
    """The task's world. Celery brings wake-ups; who owns a job is settled in the database."""

    def __init__(self, settings: Settings, app: Celery) -> None:
        database = Database(settings.database)
        client = redis_client(settings)
        self._settings = settings
        self._draining = threading.Event()
        self._liveness, attempts, store = Liveness(database), Attempts(database), Store(database)
        name = settings.worker_id or f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
        wake, log, running = partial(queue.wake, app), EventLog(client), Running()
        self._shop = Shop(name, settings, attempts, log, Models(settings), Publisher(log), running, wake)
        self._pulse = Pulse(
            name,
            settings.lease_seconds,
            liveness=self._liveness,
            attempts=attempts,
            running=running,
            client=client,
        )
        observer = Observer(self._liveness, settings.lease_seconds)
        self._rescue = Rescue(
            name, observer=observer, liveness=self._liveness, attempts=attempts, store=store, wake=wake
        )
        app.task(name=queue.GENERATE, ignore_result=True)(self.run)

    def run(self, job_id: str) -> None:
        """The Celery task: a wake-up for one job. A draining worker sends it on."""
        if self._draining.is_set():
            self._shop.wake(job_id)
            return
        generate(job_id, self._shop)

    def start(self) -> None:
        """Begin to live: from here on the process is known to the others."""
        self._shop.publisher.start()
        self._pulse.start()
        self._rescue.start()
        worker_shutting_down.connect(self._drain, weak=False)
        # Everything imported stays for good; a full collection over it would stop all streams for 0.1 s.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    def close(self) -> None:
        """Leave nothing unsent, and no row behind."""
        self._shop.publisher.close()
        self._liveness.forget(self._shop.worker)

    def _drain(self, **_signal: object) -> None:
        """SIGTERM: take no new job, let the running ones go on for a while, then hand them over."""
        self._draining.set()
        _log.info("draining: %d jobs run", len(self._shop.running))
        seconds = self._settings.drain_seconds
        threading.Thread(target=self._shop.running.drain, args=[seconds], daemon=True).start()


def redis_client(settings: Settings) -> redis.Redis:
    """The worker's Redis client. Its calls are repeatable, so one retry is safe."""
    return redis.Redis.from_url(
        settings.redis_url,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
        health_check_interval=15,
        retry=Retry(ExponentialWithJitterBackoff(cap=1, base=0.05), 1),
    )
