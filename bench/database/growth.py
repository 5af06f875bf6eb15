"""What a long history costs: milliseconds for what people and clients ask, after 1,000, 100,000 and 1,000,000 jobs.

Copies of jobs that have ended, all of one owner, each found by words of its own; one web process is asked over HTTP,
and for `/healthz` meanwhile, while somebody watches a job being written at 50 tokens a second.
`python -m bench.database.growth [--engine sqlite | postgresql] [number of jobs ...]`.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import httpx2

from bench._growth.history import RARE_WORD, History
from bench._results.results import Results, parsed
from tests.support.postgres import find_programs, postgres
from tests.support.stack import Stack, running_stack
from tests.support.wire import blocks, create, open_event_source

_COUNTS = (1_000, 100_000, 1_000_000)
_WARM, _LOOKS = 5, 100
_HEALTH_PAUSE_SECONDS = 0.02
_WATCHED = "a long answer [[demo tokens=100000 rate=50]]"


def _questions(history: History) -> dict[str, Callable[[httpx2.Client], httpx2.Response]]:
    middle, last = history.ids[0], history.ids[-1]
    pages = {
        "home": "/",
        "system": "/system",
        "list": "/jobs",
        "list, from the middle": f"/jobs?after={middle}",
        "filter: failed, of a prompt": "/jobs?status=failed&prompt=story",
        "filter without a match": "/jobs?status=incomplete&prompt=story",
        "search: a rare word": f"/jobs?q={RARE_WORD}",
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


def _measure(stack: Stack, history: History, results: Results) -> None:
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
        history = History(stack)
        for count in arguments.counts:
            began = time.perf_counter()
            history.grow(count)
            results.add(f"{count:,} jobs", "made in", "s", time.perf_counter() - began)
            _measure(stack, history, results)


if __name__ == "__main__":
    main()
