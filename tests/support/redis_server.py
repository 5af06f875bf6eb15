"""The launcher's private Redis as a process of a test's own, to be stopped, killed and started again."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import Self

from cli.launch import redis_server

_START_SECONDS = 60


class RedisServer(redis_server.RedisServer):
    """As a context: running until the end of the block."""

    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.directory / "redis.log").open("ab") as output:
            self._process = subprocess.Popen(self.argv, stdout=output, stderr=output, pass_fds=self.fds)
        deadline = time.monotonic() + _START_SECONDS
        while not redis_server.answers(self.url):
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

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

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.close()
