"""A file beside a SQLite database that is given up when the disk is full, because deleting takes room, too."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from jobs.storage.database import Database
from jobs.storage.disk.space import shorten_log, sqlite_file

T = TypeVar("T")

# More than SQLite's log grows before it is written back into the database: a thousand pages of 4 KiB.
_BYTES = 6 << 20
_PIECE = bytes(1 << 16)
_FULL_STATE = "53100"

_log = logging.getLogger(__name__)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error means that the database has no room to write."""
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
    return getattr(error.orig, "sqlstate", None) == _FULL_STATE


class DiskReserve:
    """The reserve of one database; none where it is not a file of SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = sqlite_file(database)
        self._reserve = Path(f"{self._database}-reserve")

    def keep(self) -> None:
        """Have it whole on the disk; on a disk without room for it, as much of it as there is room."""
        if self._database is None:
            return
        with suppress(OSError), self._reserve.open("ab", buffering=0) as file:
            while (missing := _BYTES - file.tell()) > 0:
                file.write(_PIECE[:missing])

    def use(self, write: Callable[[], T]) -> T:
        """Make a write that frees room, at the cost of the reserve if there is no other. Raises what it raises."""
        try:
            return write()
        except SQLAlchemyError as error:
            if self._database is None or not is_disk_full(error):  # invariant 12
                raise
        _log.warning("the disk is full: the reserve %s is given up to delete from the database", self._reserve)
        self._reserve.unlink(missing_ok=True)
        # First, too: somebody who read may have kept it from being written back behind the last deletion.
        shorten_log(self._database)
        try:
            return write()
        finally:
            shorten_log(self._database)
            self.keep()
