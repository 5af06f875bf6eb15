"""The log file of one child: appended to by the child, read by the launcher."""

from __future__ import annotations

from pathlib import Path

_ROTATE_BYTES = 5_000_000
_TAIL_LINES = 20


class LogFile:
    """A file that one child writes. One that has grown large is put aside here, before the child starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and path.stat().st_size > _ROTATE_BYTES:
            path.replace(path.with_suffix(".log.1"))
        path.touch(mode=0o600)
        self._start = self._read = path.stat().st_size

    def mark(self) -> None:
        """A new life of the child begins here."""
        self._start = self.path.stat().st_size

    def tail(self) -> list[str]:
        """The last lines that this life of the child wrote."""
        return self._since(self._start).splitlines()[-_TAIL_LINES:]

    def fresh(self) -> list[str]:
        """The whole lines written since the last call."""
        text = self._since(self._read)
        whole = text[: text.rfind("\n") + 1]
        self._read += len(whole.encode(errors="surrogateescape"))
        return whole.splitlines()

    def _since(self, offset: int) -> str:
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read().decode(errors="surrogateescape")
