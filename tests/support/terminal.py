"""A client command at a terminal, as a person sees it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from contextlib import suppress

from tests.support.up import COMMAND, ROOT, clean_environment

ROWS, COLUMNS = 30, 120


class Terminal:
    """A client command whose stderr is a terminal, and whose stdout is a pipe, or with `whole` all three of them."""

    def __init__(self, url: str, *arguments: str, whole: bool = False) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = clean_environment(PENSTOCK_URL=url, LANG="C.UTF-8", TERM="xterm", COLUMNS=str(COLUMNS))
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=theirs if whole else None,
            stdout=theirs if whole else subprocess.PIPE,
            stderr=theirs,
        )
        os.close(theirs)
        self.shown = ""  # so far

    def read(self, pattern: str) -> re.Match[str]:
        """Wait until this is shown."""
        deadline = time.monotonic() + 40
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < deadline, self.shown
            if select.select([self._ours], [], [], 0.2)[0]:
                self.shown += os.read(self._ours, 65536).decode(errors="replace")
        return found

    def press(self, keys: str) -> None:
        """What a person types."""
        os.write(self._ours, keys.encode())

    def exit_code(self) -> int:
        """How the command ended, once it has; what it shows meanwhile is read, or it would wait for that."""
        with suppress(OSError):  # what a terminal says that nobody writes to any more
            while chunk := os.read(self._ours, 65536):
                self.shown += chunk.decode(errors="replace")
        return self.process.wait(20)

    def close(self) -> None:
        """End the command."""
        self.process.kill()
        self.process.communicate()
        os.close(self._ours)
