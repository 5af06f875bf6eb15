"""What the exit code of a command says, and the one exception that ends a command with a line and a code."""

from __future__ import annotations

from jobs.errors import PenstockError

DONE = 0
FAILED = 1
USAGE = 2
CANCELLED = 3
AUTH = 4
NOT_FOUND = 5
UNREACHABLE = 6
TIMEOUT = 124
INTERRUPTED = 130
BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended


class CommandError(PenstockError):
    """Ends the command: one line on stderr, and the exit code."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code
