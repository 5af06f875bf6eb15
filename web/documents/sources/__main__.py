"""The process that reads one file: its name on the first line of stdin, then its bytes; its text on stdout."""

from __future__ import annotations

import sys

from web.documents.limited_process import limit_this_process, refuse
from web.documents.sources.readers import Unreadable, read


def main() -> None:
    """Read the file; what cannot be read ends with a line that says why."""
    limit_this_process()
    name, _, content = sys.stdin.buffer.read().partition(b"\n")
    try:
        text = read(name.decode(), content)
    except Unreadable as error:
        refuse("unreadable", str(error))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  (the libraries raise anything on a broken or hostile file)
        refuse("unreadable", f"it is broken ({type(error).__name__})")
    sys.stdout.buffer.write(text.encode(errors="replace"))


if __name__ == "__main__":
    main()
