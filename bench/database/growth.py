"""What a long history costs: milliseconds for what people and clients ask, after 1,000, 100,000 and 1,000,000 jobs.

Copies of jobs that have ended, all of one owner, each found by words of its own; one web process is asked over HTTP,
and for `/healthz` meanwhile, while somebody watches a job being written at 50 tokens a second.
`python -m bench.database.growth [--engine sqlite | postgresql] [number of jobs ...]`.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2
from sqlalchemy import insert, select, text

from bench._results.results import Results, parsed
from jobs.job import Status
from jobs.protocol.ids import new_job_id
from jobs.storage.database import Database
from jobs.storage.schema import jobs, transcripts
from jobs.storage.search.entries import set_entry
from jobs.storage.search.words import owner_word
from jobs.storage.store import Store
from tests.support.postgres import find_programs, postgres
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import blocks, create, open_event_source
from web.auth import LOCAL_OWNER

_COUNTS = (1_000, 100_000, 1_000_000)
_ROWS_AT_ONCE = 1_000
_WARM, _LOOKS = 5, 100
_HEALTH_PAUSE_SECONDS = 0.02
_RARE = "needle"
_DAYS = 365
_TEXT = "a question [[demo tokens=300 rate=0]]"
_WATCHED = "a long answer [[demo tokens=100000 rate=50]]"


class _History:
    """Makes copies of two ended jobs, one of a prompt and one without, as old as a year."""

    def __init__(self, stack: Stack) -> None:
        self._database: Database = stack.database
        story = {"id": "story", "variables": {"topic": _TEXT}}
        self._templates = [self._ended(stack, fields) for fields in ({"input": _TEXT}, {"prompt": story})]
        self._random = random.Random(1)
        self._words = ["".join(self._random.choices("etaoinshrdlc", k=6)) for _ in range(50_000)]
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(len(self._words))))
        self.common_word = self._words[0]
        self.count = 0
        self.ids = list[str]()

    def grow(self, count: int) -> None:
        """Have so many jobs."""
        while self.count < count:
            self._add(min(_ROWS_AT_ONCE, count - self.count))
        if self._database.engine.name == "postgresql":
            with self._database.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))

    def _ended(self, stack: Stack, fields: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        job_id = create(stack.url, **fields)["id"]
        frames = wait_for(lambda: Store(stack.database).transcript(job_id))
        with self._database.read() as connection:
            return dict(connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one()), frames

    def _add(self, count: int) -> None:
        rows, texts = [], []
        for _ in range(count):
            row, frames = self._random.choice(self._templates)
            status = Status.FAILED if self._random.random() < 0.01 else Status.COMPLETED
            ended_at = time.time() - self._random.random() * _DAYS * 86_400
            rows.append({**row, "id": new_job_id(), "status": status, "created_at": ended_at - 9, "ended_at": ended_at})
            texts.append({"job_id": rows[-1]["id"], "frames": frames})
        with self._database.write() as connection:
            connection.execute(insert(jobs), rows)
            connection.execute(insert(transcripts), texts)
            for number, row in enumerate(rows):
                rare = [_RARE] * (self.count + number == 500)
                written = self._random.choices(self._words, cum_weights=self._weights, k=100)
                set_entry(connection, row["id"], list(dict.fromkeys([owner_word(LOCAL_OWNER), *written, *rare])))
        self.count += count
        self.ids = [row["id"] for row in rows]


def _questions(history: _History) -> dict[str, Callable[[httpx2.Client], httpx2.Response]]:
    middle, last = history.ids[0], history.ids[-1]
    pages = {
        "home": "/",
        "system": "/system",
        "list": "/jobs",
        "list, from the middle": f"/jobs?after={middle}",
        "filter: failed, of a prompt": "/jobs?status=failed&prompt=story",
        "filter without a match": "/jobs?status=incomplete&prompt=story",
        "search: a rare word": f"/jobs?q={_RARE}",
        "search: a common word": f"/jobs?q={history.common_word}",
        "search without a match": "/jobs?q=nowhere",
        "open: page": f"/jobs/{last}",
        "open: GET": f"/v1/responses/{last}",
        "list: GET": "/v1/responses?limit=20",
    }
    body = {"input": "hello [[demo tokens=1 rate=0]]", "background": True}
    asked = {name: (lambda client, path=path: client.get(path)) for name, path in pages.items()}
    return {**asked, "create: POST": lambda client: client.post("/v1/responses", json=body)}


def _milliseconds(ask: Callable[[], httpx2.Response]) -> float:
    began = time.perf_counter()
    ask().raise_for_status()
    return 1000 * (time.perf_counter() - began)


def _add(results: Results, case: str, durations: Sequence[float]) -> None:
    results.add(case, "half within", "ms", median(durations))
    results.add(case, "95 of 100 within", "ms", quantiles(durations, n=20)[-1])


@contextmanager
def _asking_health(url: str, durations: list[float]) -> Iterator[None]:
    over = threading.Event()

    def ask() -> None:
        with httpx2.Client(base_url=url, trust_env=False) as client:
            while not over.wait(_HEALTH_PAUSE_SECONDS):
                durations.append(_milliseconds(partial(client.get, "/healthz")))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


@contextmanager
def _watching(url: str, gaps: list[float]) -> Iterator[None]:
    """The time between two events of a live stream, in milliseconds, as its viewer sees it."""
    job_id = create(url, input=_WATCHED)["id"]

    def watch() -> None:
        with open_event_source(url, job_id) as answer:
            deltas = (block for block in blocks(answer) if b".delta" in block)
            times = [time.perf_counter() for _ in deltas]
        gaps.extend(1000 * (later - earlier) for earlier, later in pairwise(times))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        httpx2.post(f"{url}/v1/responses/{job_id}/cancel", trust_env=False).raise_for_status()
        watching.join()


def _measure(stack: Stack, history: _History, results: Results) -> None:
    health, gaps = list[float](), list[float]()
    meanwhile = f"{history.count:,} jobs: meanwhile"
    with (
        httpx2.Client(base_url=stack.url, trust_env=False, timeout=60) as client,
        _asking_health(stack.url, health),
        _watching(stack.url, gaps),
    ):
        for name, ask in _questions(history).items():
            durations = [_milliseconds(partial(ask, client)) for _ in range(_WARM + _LOOKS)]
            _add(results, f"{history.count:,} jobs: {name}", durations[_WARM:])
    _add(results, f"{meanwhile}: /healthz", health)
    _add(results, f"{meanwhile}: between two events of a live stream", gaps)
    results.add(f"{meanwhile}: between two events of a live stream", "longest", "ms", max(gaps))


@contextmanager
def _stack(engine: str) -> Iterator[Stack]:
    with tempfile.TemporaryDirectory() as place:
        if engine == "sqlite":
            with running_stack(Path(place) / "data") as stack:
                yield stack
            return
        programs = find_programs()
        assert programs, "PostgreSQL is not on this machine"
        with postgres(programs) as url, running_stack(Path(place) / "data", PENSTOCK_DATABASE_URL=url) as stack:
            yield stack


def main() -> None:
    """Measure each question after each number of jobs."""
    arguments, results = parsed("growth", __doc__, engine="sqlite", counts=_COUNTS)
    with _stack(arguments.engine) as stack:
        history = _History(stack)
        for count in arguments.counts:
            began = time.perf_counter()
            history.grow(count)
            results.add(f"{count:,} jobs", "made in", "s", time.perf_counter() - began)
            _measure(stack, history, results)


if __name__ == "__main__":
    main()
