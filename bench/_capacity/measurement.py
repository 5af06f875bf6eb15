"""The costs of a generation and of a viewer, taken from the processes of a small Penstock."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
from sqlalchemy import func, select

from bench._capacity.needs import Costs
from jobs.job import Status
from jobs.storage.schema import jobs, transcripts
from tests.support.postgres import find_programs, postgres
from tests.support.stack import Stack, running_stack
from tests.support.wire import create, request

_RATE = 50
_TOKENS = 500
_JOBS = 60
_VIEWERS = 5
_LOOK_SECONDS = 0.5  # seldom, because each look costs the database something
_SECONDS = _JOBS * _TOKENS / _RATE
# As docs/performance.md has it ("A long answer in memory").
_BYTES_A_TOKEN = 155

# Of the machine that docs/performance.md describes.
MEASURED = Costs(
    worker_second=0.013,
    web_viewer_second=0.0005,
    redis_second=0.0017,
    redis_quiet_second=0.00045,
    database_job=0.0098,
    web_job=0.0097,
    log_token=268,
    log_quiet_token=79,
    viewer_token=215,
    stored_token=20.2,
    worker_base=200e6,
    web_base=132e6,
    worker_token=_BYTES_A_TOKEN,
    tokens_a_second=_RATE,
)


def measure() -> Costs:
    """Run jobs that nobody watches, then with one viewer each, then with more; what each process has used meanwhile."""
    with _stack() as stack:
        _run(stack, viewers=0, jobs_count=2)  # what is made at the first job
        unwatched = _run(stack, viewers=0)
        few = _run(stack, viewers=1)
        many = _run(stack, viewers=_VIEWERS)
        base = {name: sum(_memory(one) for one in family) for name, family in _families(stack).items()}
        sizes = func.avg(func.length(jobs.c.response)), func.avg(func.length(transcripts.c.frames))
        with stack.database.read() as connection:
            stored = sum(float(connection.execute(select(size)).scalar_one()) for size in sizes)
    return Costs(
        worker_second=few["worker"] / _SECONDS,
        web_viewer_second=(many["web"] - few["web"]) / ((_VIEWERS - 1) * _SECONDS),
        redis_second=few["Redis"] / _SECONDS,
        redis_quiet_second=unwatched["Redis"] / _SECONDS,
        database_job=unwatched["database"] / _JOBS,
        web_job=unwatched["web"] / _JOBS,
        log_token=few["log"] / (_JOBS * _TOKENS),
        log_quiet_token=unwatched["log"] / (_JOBS * _TOKENS),
        viewer_token=few["sent"] / (_JOBS * _TOKENS),
        stored_token=stored / _TOKENS,
        worker_base=base["worker"],
        web_base=base["web"],
        worker_token=_BYTES_A_TOKEN,
        tokens_a_second=_RATE,
    )


@contextmanager
def _stack() -> Iterator[Stack]:
    programs = find_programs()
    with tempfile.TemporaryDirectory() as place:
        if programs is None:
            with running_stack(Path(place) / "stack") as stack:
                yield stack
            return
        with postgres(programs) as url, running_stack(Path(place) / "stack", PENSTOCK_DATABASE_URL=url) as stack:
            yield stack


def _families(stack: Stack) -> dict[str, list[psutil.Process]]:
    """The processes of each part."""
    parts = {"worker": stack.workers[0].pid, "web": stack.webs[0].pid, "Redis": stack.redis_server.pid}
    roots = {name: [psutil.Process(pid)] for name, pid in parts.items()}
    roots["database"] = [one for one in psutil.Process().children() if one.name() == "postgres"]
    return {
        name: [*some, *(child for one in some for child in one.children(recursive=True))]
        for name, some in roots.items()
    }


def _memory(process: psutil.Process) -> float:
    return float(process.memory_full_info().uss)


def _spent(stack: Stack) -> dict[str, float]:
    """Seconds of CPU time that each part has used until now."""
    return {name: sum(sum(one.cpu_times()[:2]) for one in family) for name, family in _families(stack).items()}


def _run(stack: Stack, viewers: int, jobs_count: int = _JOBS) -> dict[str, float]:
    """What so many jobs with so many viewers each cost; bytes in the log, and bytes that viewers were sent."""
    before = _spent(stack)
    prompts = [f"number {number} [[demo rate={_RATE} tokens={_TOKENS}]]" for number in range(jobs_count)]
    ids = [str(create(stack.url, input=prompt)["id"]) for prompt in prompts]
    with ThreadPoolExecutor(max(1, jobs_count * viewers)) as threads:
        sent = sum(threads.map(lambda job: _view(stack.url, job), ids * viewers))
    while _is_any_left(stack, ids):
        time.sleep(_LOOK_SECONDS)
    after = _spent(stack)
    log = sum(int(stack.redis.memory_usage(f"penstock:{{{job}}}:log") or 0) for job in ids)
    return {name: after[name] - before[name] for name in before} | {"log": log, "sent": sent}


def _is_any_left(stack: Stack, ids: list[str]) -> bool:
    left = select(jobs.c.id).where(jobs.c.id.in_(ids), jobs.c.status != Status.COMPLETED).limit(1)
    with stack.database.read() as connection:
        return connection.execute(left).first() is not None


def _view(url: str, job: str) -> int:
    with request(url, f"/v1/responses/{job}?stream=true") as answer:
        return sum(map(len, answer))
