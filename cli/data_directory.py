"""The data directory: where it is, that only its owner may look in, and that only one `up` uses it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.exit_codes import USAGE, Stop
from jobs.settings import Settings

_LOCK = "up.lock"


def load_settings(data: Path | None = None) -> Settings:
    """The settings; their data directory is `data`, else the one set, else `.penstock` beside start.py.

    It is absolute. Raises BadSetting.
    """
    settings = Settings.load(**({"data": data} if data else {}))
    base = Path.cwd() if "data" in settings.model_fields_set else _home()
    return settings.model_copy(update={"data": base / settings.data.expanduser()})


def make(path: Path) -> None:
    """Create a directory that only its owner may look into. Raises Stop when that is refused."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(f"cannot create {path}: {error.strerror}; choose another with --data", USAGE) from error


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the data directory, created when there is none, for as long as this process lives.

    Raises Stop when another `up` holds it, or it cannot be written.
    """
    make(path)
    try:
        # The kernel lets go of the lock with the process, however it ends; a mere pid file would stay behind.
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Stop(f"cannot write to {path}: {error.strerror}; choose another with --data", USAGE) from error
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = lock.read().strip() or "unknown"
            message = f"data directory already in use by pid {owner}: {path}; choose another with --data"
            raise Stop(message, USAGE) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _home() -> Path:
    root = Path(__file__).resolve().parent.parent
    return root if (root / "start.py").is_file() else Path.cwd()
