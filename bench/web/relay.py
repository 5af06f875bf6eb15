"""What it costs to hand events on to viewers: CPU time and lag a delivery, beside peers in the same run.

The process that hands on is alone on one core; publisher, Redis and viewers share the others. Events have 270 bytes.
A shape is `JOBSxVIEWERS@DELIVERIES`. The peers are nchan, and where they are installed Starlette (with uvicorn) and
flask-sse.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench._relay.peers.nchan import MODULE, nchan
from bench._relay.peers.python_peers import flask_sse, starlette
from bench._relay.publishers import Publish, publish, to_flask_sse, to_log, to_nchan, to_starlette
from bench._results.results import parsed
from jobs.transport.event_log import EventLog
from tests.support.job_factory import JobFactory
from tests.support.nginx import PROGRAM
from tests.support.stack import Stack, running_stack
from web.auth import LOCAL_OWNER

_SHAPES = ("1x100@20000", "1x1000@20000", "1x1000@100000", "1000x1@20000")
_SECONDS = 4.0
_REPEATS = 3
_FIGURES = {
    "us": ("CPU time a delivery", "us"),
    "p50": ("lag, half within", "ms"),
    "p99": ("lag, 99 of 100 within", "ms"),
    "connect": ("all connected after", "s"),
    "kb": ("memory a viewer", "KB"),
    "arrived": ("arrived, of 1", ""),
    "share": ("viewers' share of a core", ""),
}


@dataclass(frozen=True)
class Shape:
    """So many jobs, each with so many viewers, and deliveries a second to all of them."""

    jobs: int
    viewers: int
    rate: int

    @classmethod
    def parse(cls, text: str) -> Shape:
        """From `1x1000@20000`."""
        shape, _, rate = text.partition("@")
        jobs, _, viewers = shape.partition("x")
        return cls(int(jobs), int(viewers), int(rate))

    def __str__(self) -> str:
        return f"{self.jobs:,} x {self.viewers:,} at {self.rate:,}/s"


@dataclass(frozen=True)
class Relay:
    """One that is measured: its address, its process, the channels' paths, and how to publish to them."""

    address: tuple[str, int]
    pid: int
    paths: Sequence[str]
    send: Publish


@contextmanager
def penstock(shape: Shape) -> Iterator[Relay]:
    """Our web process, with jobs that a worker seems to write."""
    with tempfile.TemporaryDirectory() as place, running_stack(Path(place) / "data", workers=0) as stack:
        job_factory = JobFactory(stack.database)
        job_ids = [job_factory.claim(job_factory.accept(LOCAL_OWNER)).job.id for _ in range(shape.jobs)]
        log = EventLog(stack.redis)
        for job_id in job_ids:
            log.take(job_id, 1)
        paths = [f"/v1/responses/{job_id}?stream=true" for job_id in job_ids]
        yield Relay(_address(stack), _worker(stack.webs[0].pid), paths, to_log(log, job_ids))


@contextmanager
def beside_nchan(shape: Shape) -> Iterator[Relay]:
    """nchan."""
    names = _names(shape)
    with nchan() as (listener, process):
        send = to_nchan((listener.host, listener.port), [f"/pub/{name}" for name in names])
        yield Relay((listener.host, listener.port), _worker(process.pid), [f"/sub/{name}" for name in names], send)


@contextmanager
def beside_starlette(shape: Shape) -> Iterator[Relay]:
    """Starlette."""
    names = _names(shape)
    with starlette() as (listener, process, redis_url):
        paths = [f"/sub/{name}" for name in names]
        yield Relay((listener.host, listener.port), process.pid, paths, to_starlette(redis_url, names))


@contextmanager
def beside_flask_sse(shape: Shape) -> Iterator[Relay]:
    """flask-sse."""
    names = _names(shape)
    with flask_sse(names) as (listener, process, redis_url):
        paths = [f"/sub?channel={name}" for name in names]
        yield Relay((listener.host, listener.port), _worker(process.pid), paths, to_flask_sse(redis_url, names))


def _peers() -> dict[str, Callable[[Shape], AbstractContextManager[Relay]]]:
    """Those that are on this machine; the others are named."""
    found: dict[str, Callable[[Shape], AbstractContextManager[Relay]]] = {}
    for name, is_there, peer in (
        ("nchan", PROGRAM is not None and MODULE.exists(), beside_nchan),
        ("Starlette", _is_installed("starlette", "uvicorn"), beside_starlette),
        ("flask-sse", _is_installed("flask_sse"), beside_flask_sse),
    ):
        if is_there:
            found[name] = peer
        else:
            print(f"no {name} on this machine", file=sys.stderr)
    return found


def _is_installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


def _names(shape: Shape) -> list[str]:
    return [str(number) for number in range(shape.jobs)]


def _address(stack: Stack) -> tuple[str, int]:
    host, _, port = stack.url.removeprefix("http://").partition(":")
    return host, int(port)


def _worker(pid: int) -> int:
    """The one process that the master at `pid` has begun."""
    (child,) = psutil.Process(pid).children()
    return child.pid


def measure(relay: Relay, shape: Shape) -> dict[str, float]:
    """One run: microseconds of CPU time a delivery, lag in ms, seconds to connect, KB a viewer, the part that came."""
    process = psutil.Process(relay.pid)
    cores = sorted(os.sched_getaffinity(0))
    process.cpu_affinity(cores[:1])
    others = set(cores[1:]) or set(cores)
    with tempfile.NamedTemporaryFile("w") as paths, ExitStack() as stack:
        paths.write("\n".join(path for path in relay.paths for _ in range(shape.viewers)))
        paths.flush()
        memory = process.memory_info().rss
        host, port = relay.address
        argv = [sys.executable, "-m", "bench._relay.viewers", f"{host}:{port}", paths.name, str(_SECONDS)]
        viewers = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE))
        psutil.Process(viewers.pid).cpu_affinity(list(others))
        assert viewers.stdout
        figures: dict[str, float] = json.loads(viewers.stdout.readline())
        figures["kb"] = (process.memory_info().rss - memory) / 1024 / (shape.jobs * shape.viewers)
        before = process.cpu_times()
        sent = publish(shape.jobs, shape.rate / shape.viewers, _SECONDS, relay.send) * shape.viewers
        figures |= json.loads(viewers.stdout.readline())
        after = process.cpu_times()
        spent = after.user + after.system - before.user - before.system
        return figures | {"us": 1e6 * spent / figures["events"], "arrived": figures["events"] / sent}


def main() -> None:
    """Measure each shape and relay, in runs that take turns."""
    arguments, results = parsed("relay", __doc__, shapes=_SHAPES)
    relays = {"Penstock": penstock, **_peers()}
    for shape in map(Shape.parse, arguments.shapes):
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in relays}
        for _ in range(_REPEATS):
            for name, start in relays.items():
                with start(shape) as relay:
                    runs[name].append(measure(relay, shape))
        for name, figures in runs.items():
            for figure, (title, unit) in _FIGURES.items():
                results.add(f"{shape}, {name}", title, unit, *(run[figure] for run in figures))


if __name__ == "__main__":
    main()
