"""Texts that are dear to format: seconds until their page is there, and how long a bystander waits meanwhile."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from bench._results.results import parsed
from tests.support.bystander import Bystander
from tests.support.hostile_texts import HOSTILE_TEXTS
from tests.support.raw_server import RawServer, answer
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create, fetch

_AT_MOST_MS = 200


def measured(running: Stack, name: str) -> tuple[float, float, int]:
    """Of one text: seconds of its first page, the bystander's longest wait in ms, and the page's bytes."""
    job = create(running.url, input=name)["id"]
    wait_for(lambda: fetch(running.url, f"/v1/responses/{job}")[1]["status"] == "completed", 60)
    bystander = Bystander(running.url)
    with bystander.watching():
        began = time.perf_counter()
        with urlopen(f"{running.url}/jobs/{job}", timeout=120) as reply:  # noqa: S310  (our own server)
            size = len(reply.read())
        seconds = time.perf_counter() - began
    return seconds, bystander.longest * 1000, size


def main() -> int:
    """1 when a bystander waited too long."""
    _, results = parsed("hostile", __doc__)
    server = RawServer(lambda body: answer(HOSTILE_TEXTS[body["messages"][-1]["content"]]))
    worst = 0.0
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory) / "data", OPENAI_BASE_URL=server.url, PENSTOCK_MODEL="raw") as running,
    ):
        for name, text in HOSTILE_TEXTS.items():
            seconds, longest, size = measured(running, name)
            worst = max(worst, longest)
            case = f"{name}, {len(text) // 1000} KB"
            results.add(case, "its page", "s", seconds)
            results.add(case, "size of the page", "KB", size / 1000)
            results.add(case, "a bystander's wait", "ms", longest)
    server.close()
    return int(worst > _AT_MOST_MS)


if __name__ == "__main__":
    sys.exit(main())
