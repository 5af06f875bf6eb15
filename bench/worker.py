"""What a token costs a worker, saturated and at the speed of a model; beside a loop over stock ChatOpenAI.stream().

The worker is alone on one core, and everything else is on the others.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench._results.results import parsed
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create, fetch

_STREAMS = (20, 80, 140)
_RATE = 50
_SECONDS = 10
_SATURATING, _TOKENS = 20, 2_000
_COST = "CPU time a token"
_STOCK = """
import sys, time
from langchain_openai import ChatOpenAI
model = ChatOpenAI(model=sys.argv[1], base_url=sys.argv[2], api_key="demo", max_retries=0)
for _ in model.stream("warm"): pass
began = time.process_time()
count = sum(1 for _ in model.stream("go"))
print(1e6 * (time.process_time() - began) / count)
"""


@contextmanager
def _pinned(most: int) -> Iterator[Stack]:
    """A Penstock whose worker has the first core for itself."""
    with (
        tempfile.TemporaryDirectory() as place,
        running_stack(Path(place) / "data", PENSTOCK_CONCURRENCY=str(most)) as stack,
    ):
        cores = sorted(os.sched_getaffinity(0))
        for process in (stack.webs[0].pid, stack.model.process.pid, stack.redis_server.pid):
            for each in (psutil.Process(process), *psutil.Process(process).children(recursive=True)):
                each.cpu_affinity(cores[1:] or cores)
        psutil.Process(stack.workers[0].pid).cpu_affinity(cores[:1])
        yield stack


def _spent(stack: Stack) -> float:
    times = psutil.Process(stack.workers[0].pid).cpu_times()
    return float(times.user + times.system)


def _written(stack: Stack, jobs: Sequence[str]) -> int:
    """Tokens that all of the jobs have, as their usage says."""
    responses = [fetch(stack.url, f"/v1/responses/{job}")[1] for job in jobs]
    return sum(response["usage"]["output_tokens"] for response in responses)


def _run(stack: Stack, count: int, model: str) -> tuple[list[str], float, float]:
    """So many jobs at once, to their end: their ids, the worker's CPU seconds, and seconds."""
    create(stack.url, input="warm [[demo tokens=50]]")
    time.sleep(1)
    before, began = _spent(stack), time.monotonic()
    jobs = [create(stack.url, model=model, input=f"stream {number}")["id"] for number in range(count)]
    for job in jobs:
        wait_for(lambda job=job: fetch(stack.url, f"/v1/responses/{job}")[1]["status"] == "completed", 300)  # type: ignore[misc]
    return jobs, _spent(stack) - before, time.monotonic() - began


def stock(stack: Stack) -> float:
    """Microseconds of CPU time a token of a loop that does nothing else."""
    model = f"demo+rate=0+first=0+tokens={_TOKENS}"
    argv = [sys.executable, "-c", _STOCK, model, stack.model.url]
    return float(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure each load."""
    arguments, results = parsed("worker", __doc__, streams=_STREAMS)
    with _pinned(max(*arguments.streams, _SATURATING)) as stack:
        base = stock(stack)
        results.add("stock ChatOpenAI.stream(), nothing else", _COST, "us", base)
        jobs, spent, _ = _run(stack, _SATURATING, f"demo+rate=0+first=0+tokens={_TOKENS}")
        saturated = 1e6 * spent / _written(stack, jobs)
        results.add(f"{_SATURATING} jobs, saturated", _COST, "us", saturated)
        results.add(f"{_SATURATING} jobs, saturated", "less than stock", "times", base / saturated)
        for count in arguments.streams:
            jobs, spent, _ = _run(stack, count, f"demo+rate={_RATE}+first=0+tokens={_RATE * _SECONDS}")
            results.add(f"{count} jobs at {_RATE} tokens/s", _COST, "us", 1e6 * spent / _written(stack, jobs))


if __name__ == "__main__":
    main()
