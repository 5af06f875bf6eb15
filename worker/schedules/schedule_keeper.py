"""Makes the runs of schedules that are due. Every worker does it; a run has a key, so two of them make one job."""

from __future__ import annotations

import time

import orjson
from sqlalchemy import RowMapping

from jobs.background import jittered, log_error, repeat
from jobs.errors import InvalidRequest, LimitReached
from jobs.requests.prompt_folder import Prompts
from jobs.schedules.wish import body_at, request_of
from jobs.settings import Settings
from jobs.storage.acceptance import hash_of
from jobs.storage.access.owner_limits import LimitRegistry
from jobs.storage.database import Database
from jobs.storage.schedules.schedules import Schedules
from jobs.storage.store import Store

_LOOK_SECONDS = 1.0


class ScheduleKeeper:
    """The thread of a worker process that looks after schedules."""

    def __init__(self, database: Database, settings: Settings, limits: LimitRegistry) -> None:
        self._settings = settings
        self._limits = limits
        self._store = Store(database)
        self._schedules = Schedules(database)

    def start(self) -> None:
        """Begin to look after them."""
        repeat("schedules", self._round)

    def _round(self) -> None:
        time.sleep(jittered(_LOOK_SECONDS))
        self._schedules.count_ends()
        for schedule in self._schedules.due():
            try:
                self.run(schedule)
            except Exception as error:  # noqa: BLE001  (the others go on, and the next round comes)
                log_error("schedule", error)

    def run(self, schedule: RowMapping) -> None:
        """Make the run that is due, or the one that another worker has made of it; later if the owner has too many."""
        body = body_at(orjson.loads(schedule["request"]), schedule["due_at"], schedule["timezone"])
        try:
            request = request_of(body, Prompts(self._settings.prompts), schedule["model"], self._settings.models)
            job = self._store.accept(
                schedule["owner"],
                request,
                body_hash=hash_of(body),
                idempotency_key=f"{schedule['id']} {schedule['due_at']:.0f}",
                limits=self._limits.of(schedule["owner"]),
            )
        except InvalidRequest as error:
            self._schedules.could_not_run(schedule, str(error))
        except LimitReached:
            return
        else:
            self._schedules.ran(schedule, job.id)
