"""A module for `web/documents/limited_process.py` to run, which does what it is told."""

from __future__ import annotations

import json
import os
import sys
import time

from web.documents.limited_process import limit_this_process, refuse


def main() -> None:
    """Do what stdin says."""
    limit_this_process()
    match asked := sys.stdin.read():
        case "tell":
            json.dump({"content": asked, "environment": list(os.environ)}, sys.stdout)
        case "refuse":
            refuse("such a code")
        case "spin":
            while True:
                pass
        case "sleep":
            time.sleep(60)
        case "allocate":
            bytearray(1 << 30)
        case "write":
            sys.stdout.write("x" * 2000)
        case _:
            raise ValueError("a quoted text")


if __name__ == "__main__":
    main()
