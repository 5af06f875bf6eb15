"""The data directory: where it is, that only its owner may look in, and that only one `up` uses it."""

from __future__ import annotations

import fcntl
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from cli.exit_codes import CommandError
from jobs.settings import Settings

_OURS = ("penstock.db", "up.lock", "secret")


def load_settings(data: Path | None = None) -> Settings:
    """The settings; their data directory is `data`, else the one set, else `.penstock` beside start.py.

    It is absolute. Raises BadSetting.
    """
    settings = Settings.load(**({"data": data} if data else {}))
    base = Path(__file__).resolve().parents[2]
    if "data" in settings.model_fields_set or not (base / "start.py").is_file():
        base = Path.cwd()
    return settings.model_copy(update={"data": base / settings.data.expanduser()})


def make_private(path: Path) -> None:
    """Make `path` a directory that only its owner may look into, and what this process writes from now on private.

    One that was there before is closed to others, unless it holds a stranger's files: then, and when it cannot be
    created, CommandError is raised.
    """
    os.umask(0o077)  # the children inherit it
    make_directory(path)
    if path.stat().st_mode & 0o077:
        _close_to_others(path)


def make_directory(path: Path) -> None:
    """Create a directory for this user alone if there is none. Raises CommandError when that is refused."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"cannot create {path}: {error.strerror}; choose another with --data") from error


def _close_to_others(path: Path) -> None:
    status = path.stat()
    if status.st_uid != os.geteuid():
        # A volume that belongs to root and lets a group in, as Kubernetes mounts it, is somebody's decision.
        if status.st_mode & 0o007:
            raise CommandError(f"others can look into {path}, which is not yours; choose another with --data")
    elif _is_ours(path):
        path.chmod(0o700)
        click.echo(f"others could look into {path}: closed to them (mode 0700)", err=True)
    else:
        # A home directory or /tmp, named by mistake, must not be closed to those who use it.
        remedy = f"run `chmod 700 {shlex.quote(str(path))}`, or choose another with --data"
        raise CommandError(f"others can look into {path}, where the texts of all jobs would be: {remedy}")


def _is_ours(path: Path) -> bool:
    """Whether a directory holds nothing, or something that only Penstock puts there."""
    return any((path / name).exists() for name in _OURS) or not any(path.iterdir())


def hold(path: Path) -> TextIO:
    """Hold the data directory, created when there is none, until the file that is returned is closed.

    Raises CommandError when another `up` holds it, or it cannot be written.
    """
    make_private(path)
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
            owner, _, url = (lock.read() or "unknown").partition(" ")
        place = f", which serves {url}" if url else ""
        raise CommandError(
            f"data directory already in use by pid {owner}{place}: {path}; choose another with --data"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


@contextmanager
def shown_to_others(lock: TextIO, url: str) -> Iterator[None]:
    """Have a second start told where the holder of this lock answers."""
    lock.write(f" {url}")
    lock.flush()
    yield
