"""Databases as earlier versions left them, kept in tests/data/databases with what was in them.

`python -m tests.support.released_database CHECKOUT NAME` makes one by the code in CHECKOUT: once, when a version is
released, on a machine where the packages of that time are installed.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil

from tests.support.up import COMMAND, ROOT, Up, eventually, running

DATABASES = ROOT / "tests/data/databases"
# What is asked of the demo model: one that is over at once, and one that is in the middle when all is killed.
_DONE = "[[demo rate=0 first=0 tokens=60]] written before"
_SLOW = "[[demo rate=8 first=0 tokens=60]] carried over"


def names() -> list[str]:
    """Those that there are, by the version of the code that made them."""
    return sorted(path.name.removesuffix(".db.gz") for path in DATABASES.glob("*.db.gz"))


def restore(name: str, data: Path) -> dict[str, dict[str, Any]]:
    """Put one into a new data directory; the responses that its server gave, by what became of the jobs."""
    data.mkdir(mode=0o700)
    (data / "penstock.db").write_bytes(gzip.decompress((DATABASES / f"{name}.db.gz").read_bytes()))
    jobs: dict[str, dict[str, Any]] = json.loads((DATABASES / f"{name}.json").read_text(encoding="utf-8"))
    return jobs


def make(checkout: Path, name: str) -> None:
    """Make one: a job that is completed, one cancelled, one being written and one queued, and nobody ended in order."""
    settings = {"PYTHONPATH": str(checkout), "PENSTOCK_CONCURRENCY": "1", "PENSTOCK_LEASE_SECONDS": "3"}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        up = stack.enter_context(running(folder / "data", "--demo", program=COMMAND, cwd=checkout, **settings))
        jobs = _jobs(up)
        for process in psutil.Process(up.process.pid).children(recursive=True):
            process.kill()
        up.process.kill()
        up.process.wait()
        copy = folder / "copy.db"
        with closing(sqlite3.connect(folder / "data/penstock.db")) as database:
            database.execute("VACUUM INTO ?", (str(copy),))
        DATABASES.mkdir(parents=True, exist_ok=True)
        (DATABASES / f"{name}.db.gz").write_bytes(gzip.compress(copy.read_bytes(), mtime=0))
        (DATABASES / f"{name}.json").write_text(f"{json.dumps(jobs, ensure_ascii=False, indent=1)}\n", encoding="utf-8")


def _jobs(up: Up) -> dict[str, dict[str, Any]]:
    for first in _ask(up, "GET", "")["data"]:  # the report that a new user sees
        _ask(up, "POST", f"/{first['id']}/cancel")
    completed, slow = _create(up, _DONE), _create(up, _SLOW)
    eventually(lambda: _ask(up, "GET", f"/{completed}")["status"] == "completed", 60)
    eventually(lambda: len(text_of(_ask(up, "GET", f"/{slow}"))) > 20, 60)
    queued, cancelled = _create(up, _SLOW), _create(up, _SLOW)
    _ask(up, "POST", f"/{cancelled}/cancel")
    eventually(lambda: _ask(up, "GET", f"/{cancelled}")["status"] == "cancelled", 60)
    ids = {"completed": completed, "cancelled": cancelled, "in_progress": slow, "queued": queued}
    jobs = {state: _ask(up, "GET", f"/{job}") for state, job in ids.items()}
    assert all(job["status"] == state for state, job in jobs.items())
    return jobs


def _create(up: Up, text: str) -> str:
    return str(_ask(up, "POST", "", {"input": text, "background": True})["id"])


def text_of(response: dict[str, Any]) -> str:
    """What a response says, from its first item to its last."""
    parts = (part for item in response["output"] for part in item.get("content") or [])
    return "".join(part["text"] for part in parts if part["type"] == "output_text")


def _ask(up: Up, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{up.url}/v1/responses{path}", data, {"Content-Type": "application/json"}, method=method)
    with urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve(), sys.argv[2])
