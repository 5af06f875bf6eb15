"""Does for all batches what is to be done: reads their files, stores their jobs, ends them. Every worker does it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import RowMapping

from jobs.background import jittered, log_error, repeat
from jobs.errors import InvalidRequest
from jobs.requests.batch_line import LineReader
from jobs.requests.prompt_folder import Prompts
from jobs.settings import Settings
from jobs.status.translation import english
from jobs.storage.access.owner_limits import LimitRegistry
from jobs.storage.batches import batches as states
from jobs.storage.batches.files import Files
from jobs.storage.batches.work import BatchWork
from jobs.storage.database import Database

_MOST_ERRORS = 100
_LOOK_SECONDS = 1.0
_FORGET_SECONDS = 600.0
# A transaction of so many rows takes some hundredths of a second, and after each the others have their turn.
_LINES_AT_ONCE = 200
_PAUSE_SECONDS = 0.02
_CANCELS_AT_ONCE = 20
# A claim lasts a minute.
_RENEWED_LINES = 2000


class BatchKeeper:
    """The thread of a worker process that looks after batches."""

    def __init__(self, database: Database, settings: Settings, limits: LimitRegistry) -> None:
        self._settings = settings
        self._limits = limits
        self._files = Files(database)
        self._work = BatchWork(database)
        self._forgets_at = time.monotonic()

    def start(self) -> None:
        """Begin to look after them."""
        repeat("batches", self._round)

    def _round(self) -> None:
        time.sleep(jittered(_LOOK_SECONDS))
        for batch in self._work.open():
            try:
                self._step(batch)
            except Exception as error:  # noqa: BLE001  (the other batches go on, and the next round comes)
                log_error("batch", error)
        if time.monotonic() > self._forgets_at:
            self._files.forget_expired()
            self._forgets_at = time.monotonic() + _FORGET_SECONDS

    def _step(self, batch: RowMapping) -> None:
        if batch["status"] != states.CANCELLING and time.time() > batch["expires_at"]:
            self._work.expire(batch)
        elif batch["status"] == states.VALIDATING:
            if self._work.claim(batch):
                self._read(batch)
        elif batch["status"] == states.CANCELLING and not self._cancel(batch):
            return  # the rest in the next round: other batches have their turn
        elif self._work.is_over(batch):
            self._work.finish(batch)

    def _cancel(self, batch: RowMapping) -> bool:
        """End jobs of a batch for a while; whether there are none left to end."""
        for _ in range(_CANCELS_AT_ONCE):
            if self._work.cancel_some(batch):
                return True
            time.sleep(_PAUSE_SECONDS)
        return False

    def _read(self, batch: RowMapping) -> None:
        """Make the lines of its file jobs, or refuse all of it when one of them cannot be run."""
        reader = LineReader(batch["endpoint"], Prompts(self._settings.prompts), batch["model"], self._settings)
        checked = self._checked(batch, reader)
        if checked is None:
            return
        if checked:
            self._work.refuse(batch, checked)
            return
        stored = batch["stored_lines"]
        lines = islice(self._lines(batch, reader), stored, None)
        while some := [reader.read(line) for _number, line in islice(lines, _LINES_AT_ONCE)]:
            if not self._work.store(batch, stored, some):
                return
            stored += len(some)
            time.sleep(_PAUSE_SECONDS)
        self._work.begin(batch, stored)

    def _lines(self, batch: RowMapping, reader: LineReader) -> Iterator[tuple[int, bytes]]:
        """The lines that are not empty, with their numbers from 1."""
        lines = enumerate(self._files.lines(batch["input_file_id"], reader.longest), 1)
        return ((number, line) for number, line in lines if line.strip())

    def _checked(self, batch: RowMapping, reader: LineReader) -> Sequence[dict[str, Any]] | None:
        """What is wrong with the lines: nothing when all can be run, None when another worker reads them by now."""
        errors: list[dict[str, Any]] = []
        names: set[str] = set()
        total = 0
        for number, line in self._lines(batch, reader):
            total += 1
            if total > self._settings.max_batch_lines:
                most = self._settings.max_batch_lines
                return [_refusal("A batch has at most {most} lines: make several of it.", most=most)]
            if total % _RENEWED_LINES == 0 and not self._work.renew(batch):
                return None
            try:
                custom_id = reader.read(line).custom_id
            except InvalidRequest as error:
                errors.append(_error(number, str(error), error.param, error.code))
            else:
                if custom_id in names:
                    errors.append(_error(number, f"'{custom_id[:100]}' names another line, too.", "custom_id"))
                names.add(custom_id)
            if len(errors) == _MOST_ERRORS:
                break
        return errors or self._refusals(batch["owner"], total)

    def _refusals(self, owner: str, total: int) -> Sequence[dict[str, Any]]:
        """What is wrong with the file as a whole."""
        most = self._limits.of(owner).jobs_queued
        if total == 0:
            return [_refusal("The file has no lines, or was deleted.")]
        if most and total > most:
            return [
                _refusal("You may have {most} jobs waiting, and the batch has {total} lines.", most=most, total=total)
            ]
        return []


def _refusal(words: str, **values: int) -> dict[str, Any]:
    """What is wrong with the whole file; the page says it in its language."""
    return {**_error(None, english(words, **values)), "words": words, "values": values}


def _error(line: int | None, message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"line": line, "message": message, "param": param, "code": code or "invalid_request"}
