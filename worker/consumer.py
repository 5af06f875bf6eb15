"""Celery's consumer, which brings the wake-ups, with patience: nothing that comes from the broker ends the worker.

No job depends on it. While the broker is away, the process looks for jobs in the database by itself.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.worker import consumer

from jobs.background import jittered

_RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Consumer(consumer.Consumer):
    """Connects again after every error, with a pause between two tries and one line in the log for each."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Celery ends the worker for any other error, such as a message that is not JSON.
        self.channel_errors = (Exception,)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Celery calls this when there is no connection, or the new one was refused its first command."""
        _log.warning("the broker is away: %s: %s", type(exc).__name__, exc)
        self._pause()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Celery calls this when a connection broke, or a command was refused on it; Celery's own closes it."""
        super().on_connection_error_after_connected(exc)
        self._pause()

    def _pause(self) -> None:
        time.sleep(jittered(_RETRY_SECONDS))
