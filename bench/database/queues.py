"""What a long queue costs: POSTs a second and milliseconds a claim with 10, 1,000 and 100,000 jobs queued.

A web process without workers takes the POSTs, one after the other; the claims are made in this process. On SQLite, and
on PostgreSQL where its programs are on the machine. `python -m bench.database.queues [length ...]`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from sqlalchemy import delete

from bench._results.results import parsed
from jobs.storage.schema import jobs
from tests.support.job_factory import JobFactory, accepted
from tests.support.long_queue import lengthen
from tests.support.postgres import find_programs, postgres
from tests.support.stack import Stack, running_stack

_LENGTHS = (10, 1_000, 100_000)
_POSTS = 200
_CLAIMS = 50


@contextmanager
def _stacks() -> Iterator[dict[str, Stack]]:
    """A web process and no worker on each database, by the database's name."""
    with tempfile.TemporaryDirectory() as place, running_stack(Path(place) / "sqlite", workers=0) as on_sqlite:
        programs = find_programs()
        if programs is None:
            yield {"SQLite": on_sqlite}
            return
        with (
            postgres(programs) as url,
            running_stack(Path(place) / "postgresql", workers=0, PENSTOCK_DATABASE_URL=url) as on_postgresql,
        ):
            yield {"SQLite": on_sqlite, "PostgreSQL": on_postgresql}


def _posts_a_second(stack: Stack) -> float:
    with stack.client() as client:
        client.responses.create(input="warm", background=True)
        began = time.perf_counter()
        for number in range(_POSTS):
            client.responses.create(input=f"job {number}", background=True)
        return _POSTS / (time.perf_counter() - began)


def _milliseconds_a_claim(job_factory: JobFactory) -> float:
    durations = []
    for _ in range(_CLAIMS):
        began = time.perf_counter()
        claim = job_factory.attempts.claim("bench")
        durations.append(time.perf_counter() - began)
        assert claim is not None
    return 1000 * median(durations)


def main() -> None:
    """Measure each database with each length."""
    arguments, results = parsed("queues", __doc__, lengths=_LENGTHS)
    with _stacks() as stacks:
        for name, stack in stacks.items():
            job_factory = JobFactory(stack.database)
            for length in arguments.lengths:
                with stack.database.write() as connection:
                    connection.execute(delete(jobs))
                lengthen(stack.database, job_factory.store.accept("many", accepted()), length)
                results.add(f"{name}, {length:,} queued", "POSTs a second", "", _posts_a_second(stack))
                results.add(f"{name}, {length:,} queued", "a claim", "ms", _milliseconds_a_claim(job_factory))


if __name__ == "__main__":
    main()
