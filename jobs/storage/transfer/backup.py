"""A back-up of a SQLite database, made while others read and write it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from jobs.errors import BadSetting


def back_up(database: Path, file: Path) -> None:
    """Write the database as it is at one moment into `file`, which appears when it is whole, and replaces another.

    Raises BadSetting when it cannot be read or written.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        # Not a copy of the file: part of the data may still be in the write-ahead log beside it.
        address = f"{database.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            if (fault := copy.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(fault)
        part.replace(file)
    except (OSError, sqlite3.Error) as error:
        raise BadSetting(f"cannot write {file} from {database}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
