"""One process that `up` keeps alive: its command, its log, its pauses between deaths, its end."""

from __future__ import annotations

import secrets
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable

from cli.log_file import LogFile
from jobs.settings import child_environment

_PATIENCE = 60.0  # seconds: a life this long is forgiven, and five deaths within it are too many
_TOO_MANY = 5
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class Child:
    """A process of ours, started again and again under one name.

    `grace` is how many seconds it may take to end after SIGTERM; `fds` are the descriptors that it inherits;
    `mourn` is told the id of each life that has ended.
    """

    def __init__(
        self,
        name: str,
        argv: list[str],
        environment: dict[str, str],
        log: LogFile,
        *,
        fds: tuple[int, ...] = (),
        grace: float = 5,
        mourn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.log = log
        self.grace = grace
        self._argv = argv
        self._environment = environment
        self._fds = fds
        self._mourn = mourn
        self._life = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._born = 0.0
        self._deaths: deque[float] = deque(maxlen=_TOO_MANY)
        self._pause = 0.0

    def start(self, group: int) -> None:
        """Start a new life of it in the process group `group`, its output appended to its log."""
        self._life = f"{self.name}-{secrets.token_hex(4)}"
        self.log.mark()
        with self.log.path.open("ab") as output:
            self._process = subprocess.Popen(
                self._argv,
                env=child_environment(**self._environment, PENSTOCK_WORKER_ID=self._life),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=self._fds,
                process_group=group,
            )
        self._born = time.monotonic()

    @property
    def pid(self) -> int | None:
        """The process that runs, or None."""
        return self._process.pid if self._process else None

    def last_words(self) -> str | None:
        """None while it runs or after its death was taken in; else how it ended: `exit 1`, `SIGKILL`."""
        code = self._process.poll() if self._process else None
        if code is None:
            return None
        return f"exit {code}" if code >= 0 else signal.Signals(-code).name

    def bury(self) -> float | None:
        """Take in its death. The seconds to wait before it is started again; None: it died too often."""
        self._mourn(self._life)
        now = time.monotonic()
        self._process = None
        self._pause = min(_LONGEST_PAUSE, self._pause * 2 or _FIRST_PAUSE)
        if now - self._born >= _PATIENCE:
            self._pause = _FIRST_PAUSE
        self._deaths.append(now)
        if len(self._deaths) == _TOO_MANY and now - self._deaths[0] < _PATIENCE:
            return None
        return self._pause

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process:
            self._process.send_signal(number)

    def wait(self) -> None:
        """Wait until it has ended."""
        if self._process:
            self._process.wait()
