"""One worker process: its threads, the Celery task, and its end."""

from __future__ import annotations

import gc
import logging
import threading
import time
from contextlib import suppress

from celery.signals import worker_shutting_down

from jobs.background import jittered, log_error, repeat
from jobs.storage.attempts import Claim
from jobs.transport.queue import GENERATE, QueueAway
from worker.context import WorkerContext
from worker.generate import generate
from worker.supervision.heartbeat import Heartbeat
from worker.supervision.heartbeat_file import touch_for_ever
from worker.supervision.rescue import Rescue

_LOOK_SECONDS = 1.5
# What a job that is told to stop needs to be given back.
_STOP_SECONDS = 10.0

_log = logging.getLogger(__name__)


class WorkerProcess:
    """Takes jobs while it has room for them. Celery brings wake-ups; what there is to do stands in the database."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._heartbeat = Heartbeat(context)
        self._slots = threading.BoundedSemaphore(context.settings.concurrency)
        self._draining = threading.Event()
        # Threads that claim at the same time would only wait for each other in the database.
        self._claiming = threading.Lock()
        context.queue.app.conf.worker_consumer = "worker.consumer:Consumer"
        context.queue.app.task(name=GENERATE, ignore_result=True)(self.run)

    def run(self, job_id: str) -> None:
        """The Celery task: there is work, most likely this job. A draining worker sends the message on."""
        self._work()
        if self._draining.is_set():
            with suppress(QueueAway):  # others look for it themselves
                self._context.queue.wake(job_id)

    def start(self) -> None:
        """Begin to live: from here on the process is known to the others."""
        if file := self._context.settings.heartbeat_file:
            touch_for_ever(file)
        self._context.publisher.start()
        self._context.telemetry.start()
        self._heartbeat.start()
        Rescue(self._context).start()
        self._context.webhooks.start()
        self._context.batches.start()
        self._context.schedules.start()
        repeat("look for jobs", self._look)
        worker_shutting_down.connect(self._drain, weak=False)
        # Everything imported stays for good; a full collection over it would stop all streams for 0.1 s.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    @property
    def is_draining(self) -> bool:
        """Whether it was told to end."""
        return self._draining.is_set()

    def close(self) -> None:
        """Leave nothing unsent, and no row behind."""
        if self._draining.is_set():
            self._wait_until_idle(self._context.settings.drain_seconds + _STOP_SECONDS)
        self._context.publisher.close()
        self._context.telemetry.close()
        self._heartbeat.close()

    def _wait_until_idle(self, seconds: float) -> None:
        """Take every slot, so that no claim is under way either, or give up after so many seconds."""
        deadline = time.monotonic() + seconds
        for _ in range(self._context.settings.concurrency):
            if not self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
                return

    def _look(self) -> None:
        """Every second or two, whatever became of the wake-ups: if there may be a job, take it, and look for more."""
        time.sleep(jittered(_LOOK_SECONDS))
        if not self._draining.is_set() and self._context.attempts.is_any_queued():
            self._start_looking()

    def _start_looking(self) -> None:
        threading.Thread(target=self._work, kwargs={"looks_for_more": True}, daemon=True).start()

    def _work(self, *, looks_for_more: bool = False) -> None:
        """Run jobs one after the other for as long as there are any, and there is room for one more."""
        if not self._slots.acquire(blocking=False):
            if looks_for_more:
                self._end_without_room()
            return
        try:
            while not self._draining.is_set():
                claim = self._claim()
                if claim is None:
                    return
                if looks_for_more:
                    self._start_looking()
                self._generate(claim)
        except Exception as error:  # noqa: BLE001  (the next look comes in a second or two)
            log_error("claiming", error)
        finally:
            self._slots.release()

    def _generate(self, claim: Claim) -> None:
        with self._context.telemetry.attempt(claim):
            generate(claim, self._context)

    def _claim(self) -> Claim | None:
        context = self._context
        owner_limit = self._owner_limit if context.owner_limits.limits_running() else None
        with self._claiming:
            return context.attempts.claim(context.worker, context.settings.limit_of, owner_limit)

    def _owner_limit(self, owner: str) -> int | None:
        return self._context.owner_limits.of(owner).jobs_running or None

    def _end_without_room(self) -> None:
        """End the jobs that were asked to end while they waited for a worker: that asks no model."""
        try:
            while claim := self._context.attempts.claim_ending(self._context.worker):
                self._generate(claim)
        except Exception as error:  # noqa: BLE001  (the next look comes in a second or two)
            log_error("claiming", error)

    def _drain(self, **_signal: object) -> None:
        """SIGTERM: take no new job, let the running ones go on for a while, then hand them over."""
        self._draining.set()
        _log.info("draining: %d jobs run", len(self._context.running))
        seconds = self._context.settings.drain_seconds
        threading.Thread(target=self._context.running.drain, args=[seconds], daemon=True).start()
