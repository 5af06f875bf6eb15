"""One worker process: its threads, the Celery task, and its end."""

from __future__ import annotations

import gc
import logging
import threading

from celery.signals import worker_shutting_down

from jobs.transport.queue import GENERATE
from worker.context import WorkerContext
from worker.generate import generate
from worker.supervision.heartbeat import Heartbeat
from worker.supervision.rescue import Rescue

_log = logging.getLogger(__name__)


class WorkerProcess:
    """The task's world. Celery brings wake-ups; who owns a job is settled in the database."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._heartbeat = Heartbeat(context)
        self._draining = threading.Event()
        context.queue.app.task(name=GENERATE, ignore_result=True)(self.run)

    def run(self, job_id: str) -> None:
        """The Celery task: there is work, most likely this job. A draining worker sends the message on.

        It goes on for as long as there is work: the message of a job that had to wait for its turn has come before.
        """
        while not self._draining.is_set():
            if not generate(self._context):
                return
        self._context.queue.wake(job_id)

    def start(self) -> None:
        """Begin to live: from here on the process is known to the others."""
        self._context.publisher.start()
        self._heartbeat.start()
        Rescue(self._context).start()
        worker_shutting_down.connect(self._drain, weak=False)
        # Everything imported stays for good; a full collection over it would stop all streams for 0.1 s.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    def close(self) -> None:
        """Leave nothing unsent, and no row behind."""
        self._context.publisher.close()
        self._heartbeat.close()

    def _drain(self, **_signal: object) -> None:
        """SIGTERM: take no new job, let the running ones go on for a while, then hand them over."""
        self._draining.set()
        _log.info("draining: %d jobs run", len(self._context.running))
        seconds = self._context.settings.drain_seconds
        threading.Thread(target=self._context.running.drain, args=[seconds], daemon=True).start()
