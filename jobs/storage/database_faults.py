"""What to do about a database that cannot be opened."""

from __future__ import annotations

import errno
import sqlite3

_SQLITE = {
    sqlite3.SQLITE_BUSY: "another program holds it: end that (`fuser FILE` names it), or try again",
    sqlite3.SQLITE_LOCKED: "another program holds it: end that (`fuser FILE` names it), or try again",
    sqlite3.SQLITE_NOTADB: "the file is damaged: put a back-up in its place (`penstock db backup` makes them)",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: put a back-up in its place (`penstock db backup` makes them)",
    sqlite3.SQLITE_CANTOPEN: "see that its folder is there, and that this user may write to it",
    sqlite3.SQLITE_READONLY: "let this user write to the file and to its folder",
    sqlite3.SQLITE_PERM: "let this user write to the file and to its folder",
    sqlite3.SQLITE_FULL: "make room on its disk",
}
_CLASSES = {  # of SQLSTATE
    "28": "see the user and the password in PENSTOCK_DATABASE_URL or PENSTOCK_DATABASE_PASSWORD",
    "3D": "make the database with `createdb`, or name another in PENSTOCK_DATABASE_URL",
    "42": "let this user make tables in it",
}
_ELSE = "see PENSTOCK_DATABASE_URL"


def remedy_of(error: BaseException) -> str:
    """What the operator can do about an error of SQLAlchemy's, or of the driver."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF, _ELSE)  # the low byte is the primary code
    if isinstance(cause, OSError) and cause.errno in (errno.EACCES, errno.EROFS):
        return "let this user write to its folder"
    state = str(getattr(cause, "sqlstate", None) or "")
    if state:
        return _CLASSES.get(state[:2], _ELSE)
    if "refused" in str(cause) or "No such file" in str(cause):
        return "start its server, or correct PENSTOCK_DATABASE_URL"
    return _ELSE
