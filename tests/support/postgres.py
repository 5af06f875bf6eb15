"""A private PostgreSQL server on a unix socket in a temporary directory, with the machine's own programs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from tests.support.stack import wait_for

SYSTEM_USER = "postgres"


def find_programs() -> Path | None:
    """The directory of the newest server's programs, None when the machine has no server."""
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.environ.get("PATH", "").split(os.pathsep))]
    installations = [place for place in places if (place / "initdb").exists() and (place / "postgres").exists()]
    return max(installations, key=str, default=None)


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """A running server; its SQLAlchemy URL."""
    # Not in pytest's directory: that is closed to the user whom a test run by root starts the server as.
    place = Path(tempfile.mkdtemp(prefix="penstock-pg-"))
    user = SYSTEM_USER if os.geteuid() == 0 else None  # the server refuses to be root
    if user:
        shutil.chown(place, user)
    data, log = place / "data", place / "log"
    quick = ["-c", "fsync=off", "-c", "listen_addresses=", "-k", str(place)]
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", SYSTEM_USER, "-A", "trust", "-E", "UTF8", "--no-sync"],
            user=user, cwd=place, check=True, capture_output=True,
        )  # fmt: skip
        with (
            log.open("wb") as output,
            subprocess.Popen(
                [programs / "postgres", "-D", data, *quick], user=user, cwd=place, stderr=output
            ) as server,
        ):
            try:
                url = f"postgresql+psycopg://{SYSTEM_USER}@/postgres?host={place}"
                wait_for(lambda: _answers(url))
                yield url
            finally:
                server.send_signal(signal.SIGQUIT)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _answers(url: str) -> bool:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False
