"""Keeps the log of a child below a size: what is older stays in one file beside it, as long as the next rotation."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


def older_log(log: Path) -> Path:
    """Where the lines before those in `log` are: `web.log.1` for `web.log`."""
    return log.with_name(f"{log.name}.1")


def begin_log(log: Path) -> None:
    """Make an empty log; the one of the last start becomes the older one."""
    with suppress(FileNotFoundError):
        log.replace(older_log(log))
    log.write_bytes(b"")


def rotate_log(log: Path, limit: int) -> None:
    """Empty a log of more than `limit` bytes, which a child goes on appending to, after copying it to the older one.

    On a full disk it is emptied without a copy. A log that cannot be looked at is left alone: a child's log is no
    reason to end anything.
    """
    # Not a rename: the child has the file open and would go on writing to it. A line that it writes between the
    # copy's end and the truncation is lost.
    with suppress(OSError):
        if log.stat().st_size <= limit:
            return
        try:
            shutil.copyfile(log, older_log(log))
        except OSError:
            older_log(log).unlink(missing_ok=True)
        os.truncate(log, 0)
