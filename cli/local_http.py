"""One JSON request to a server on this machine: no proxy is asked, no client library imported."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any

from cli.listening import Door


def call(door: Door, path: str, body: object = None, *, seconds: float = 2) -> tuple[int, Any]:
    """GET `path`, or POST `body` to it: the status and the JSON, or (0, None) when no whole answer came."""
    connection = HTTPConnection(door.host, door.port, timeout=seconds)
    try:
        if body is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, HTTPException, ValueError):
        return 0, None
    finally:
        connection.close()
