"""What every program here does at its end: its parts are run, and what each saw is printed as one JSON object.

A part is a function with the name of something that the table of docs/clients.md tells of. One that comes to no end is
told with its traceback; of `fails` the error is what it saw. A client that has no such thing has no such function.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Mapping
from typing import Any

FEATURES = ("answers", "streams", "thinks", "calls_tools", "parses", "continues", "sees_images", "fails")
PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB4iG8MwAAAABJRU5ErkJggg=="
)


def main(program: Mapping[str, Any]) -> None:
    """Run the parts that a program has."""
    seen = {}
    for name in filter(program.get, FEATURES):
        try:
            seen[name] = program[name]()
        except Exception as error:  # noqa: BLE001 - the other parts are to be seen all the same
            fault = {"error": type(error).__name__, "words": str(error)}
            seen[name] = fault if name == "fails" else traceback.format_exc()
    json.dump(seen, sys.stdout)
