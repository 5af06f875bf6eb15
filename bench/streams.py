"""Many streams at the speed of a model: what a token costs worker and web process, and how late a viewer has it.

Each job has one viewer, and each token the time at which the model sent it. The worker is alone on one core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench._results.results import Results, parsed
from tests.support.stack import Stack, running_stack
from tests.support.wire import create

_STREAMS = (1, 20, 80, 140)
_RATE = 50
_SECONDS = 10


@contextmanager
def _stack(most: int, seconds: float) -> Iterator[Stack]:
    argv = [sys.executable, "-m", "bench._streams.model", str(_RATE), str(seconds)]
    with tempfile.TemporaryDirectory() as place, subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as model:
        assert model.stdout
        try:
            with running_stack(
                Path(place) / "data",
                OPENAI_BASE_URL=model.stdout.readline().strip(),
                PENSTOCK_MODEL="stamps",
                PENSTOCK_CONCURRENCY=str(most),
            ) as stack:
                cores = sorted(os.sched_getaffinity(0))
                psutil.Process(stack.workers[0].pid).cpu_affinity(cores[:1])
                for pid in (stack.webs[0].pid, stack.redis_server.pid, model.pid):
                    for process in _family(pid):
                        process.cpu_affinity(cores[1:] or cores)
                yield stack
        finally:
            model.kill()


def _family(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def _spent(pid: int) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in _family(pid))


def _measure(stack: Stack, count: int, seconds: float, results: Results) -> None:
    processes = {"worker": stack.workers[0].pid, "web": stack.webs[0].pid, "Redis": stack.redis_server.pid}
    before = {name: _spent(pid) for name, pid in processes.items()}
    jobs = [create(stack.url, input=f"stream {number} of {count}")["id"] for number in range(count)]
    figures = _watched(stack, [f"/v1/responses/{job}?stream=true" for job in jobs], seconds)
    case = f"{count} at {_RATE} tokens/s"
    for name, pid in processes.items():
        results.add(case, f"CPU time a token, {name}", "us", 1e6 * (_spent(pid) - before[name]) / figures["events"])
    results.add(case, "lag, half within", "ms", figures["p50"])
    results.add(case, "lag, 99 of 100 within", "ms", figures["p99"])
    results.add(case, "arrived, of 1", "", figures["events"] / (count * int(_RATE * seconds)))


def _watched(stack: Stack, paths: Sequence[str], seconds: float) -> dict[str, float]:
    """What viewers of these paths, in a process of their own, saw."""
    with tempfile.NamedTemporaryFile("w") as path_file:
        path_file.write("\n".join(paths))
        path_file.flush()
        address = stack.url.removeprefix("http://")
        argv = [sys.executable, "-m", "bench._relay.viewers", address, path_file.name, str(seconds)]
        output = subprocess.run(argv, stdout=subprocess.PIPE, check=True, text=True).stdout
    figures: dict[str, float] = json.loads(output.splitlines()[-1])
    return figures


def main() -> None:
    """Measure each number of streams."""
    arguments, results = parsed("streams", __doc__, streams=_STREAMS, seconds=float(_SECONDS))
    with _stack(max(arguments.streams), arguments.seconds) as stack:
        create(stack.url, input="the first is not like the others")
        for count in arguments.streams:
            _measure(stack, count, arguments.seconds, results)


if __name__ == "__main__":
    main()
