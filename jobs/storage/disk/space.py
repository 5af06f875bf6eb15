"""What SQLite's files hold more than they need: pages of removed jobs, and a log as long as its longest transaction."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from jobs.storage.database import Database

# New jobs use the free pages, so some are left: 16 MB at 4 KB each. Of the rest so many are given back at once, in some
# milliseconds, in which nobody else writes.
_SPARE_PAGES = 4_000
_STEP_PAGES = 500
_LONG_LOG_BYTES = 32 << 20
# Who reads or writes meanwhile is not waited for longer: it is done another time.
_BUSY_SECONDS = 0.1


class DiskSpace:
    """The files of one database; nothing to do where it is not a file of SQLite."""

    def __init__(self, database: Database) -> None:
        self._file = sqlite_file(database)

    def give_back(self) -> None:
        """Make the files shorter by a step, if they are longer than they need to be.

        The pages of a database from before it was made for that (`auto_vacuum`) are used again, but not given back.
        """
        if self._file is None:
            return
        log = Path(f"{self._file}-wal")
        with (
            suppress(OSError, sqlite3.Error),
            closing(sqlite3.connect(self._file, timeout=_BUSY_SECONDS)) as connection,
        ):
            (free_pages,) = connection.execute("PRAGMA freelist_count").fetchone()
            if free_pages > _SPARE_PAGES:
                # As a script: `execute` would end it behind its first page.
                connection.executescript(f"PRAGMA incremental_vacuum({_STEP_PAGES})")
            if log.stat().st_size > _LONG_LOG_BYTES:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def sqlite_file(database: Database) -> Path | None:
    """The file of a SQLite database; None for any other."""
    name = database.engine.url.database if database.engine.name == "sqlite" else None
    return Path(name) if name and name != ":memory:" else None


def shorten_log(file: Path) -> None:
    """Write SQLite's log back into the database, and have its room again, unless somebody is in the way."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=_BUSY_SECONDS)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
