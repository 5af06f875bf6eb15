"""The data directory: where it is, that only its owner may look in, and that only one `up` uses it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

from cli.exit_codes import CommandError
from jobs.settings import Settings


def load_settings(data: Path | None = None) -> Settings:
    """The settings; their data directory is `data`, else the one set, else `.penstock` beside start.py.

    It is absolute. Raises BadSetting.
    """
    settings = Settings.load(**({"data": data} if data else {}))
    base = Path(__file__).resolve().parents[2]
    if "data" in settings.model_fields_set or not (base / "start.py").is_file():
        base = Path.cwd()
    return settings.model_copy(update={"data": base / settings.data.expanduser()})


def make(path: Path) -> None:
    """Create a directory that only its owner may look into. Raises Stop when that is refused."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"cannot create {path}: {error.strerror}; choose another with --data") from error


def hold(path: Path) -> TextIO:
    """Hold the data directory, created when there is none, until the file that is returned is closed.

    Raises Stop when another `up` holds it, or it cannot be written.
    """
    make(path)
    try:
        lock = (path / "up.lock").open("a+")
    except OSError as error:
        raise CommandError(f"cannot write to {path}: {error.strerror}; choose another with --data") from error
    try:
        # The kernel lets go of the lock with the process, however it ends; a mere pid file would stay behind.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with lock:
            lock.seek(0)
            owner = lock.read() or "unknown"
        raise CommandError(
            f"data directory already in use by pid {owner}: {path}; choose another with --data"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
