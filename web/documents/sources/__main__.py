"""The process that reads one file: its name on the first line of stdin, then its bytes; its text on stdout."""

from __future__ import annotations

import json
import sys
from typing import NoReturn

from web.documents.limited_process import limit_this_process, refuse
from web.documents.sources.readers import Unreadable, read


def main() -> None:
    """Read the file; what cannot be read ends with a line that says why."""
    limit_this_process()
    name, _, content = sys.stdin.buffer.read().partition(b"\n")
    try:
        text = read(name.decode(), content)
    except Unreadable as error:
        _refuse(error)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  (the libraries raise anything on a broken or hostile file)
        _refuse(Unreadable("{name}: it is broken ({kind}).", kind=type(error).__name__))
    sys.stdout.buffer.write(text.encode(errors="replace"))


def _refuse(error: Unreadable) -> NoReturn:
    refuse("unreadable", json.dumps([error.message, error.values]))


if __name__ == "__main__":
    main()
