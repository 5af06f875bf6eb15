"""Several machines as processes of one: three workers, two web processes, PostgreSQL, and Redis with two replicas.

Three Sentinels choose Redis's primary. Workers and web processes are killed at random, and another Redis
becomes the primary, in order or because the one before was killed, while every viewer compares every event.
"""

from __future__ import annotations

import itertools
import random
import secrets
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench._results.results import parsed
from tests.support.postgres import find_programs, postgres
from tests.support.redis_group import RedisGroup
from tests.support.soak import Soak, patient
from tests.support.stack import Stack


class _Machines(Soak):
    """A soak whose Redis is a group."""

    def __init__(self, stack: Stack, group: RedisGroup, seed: int, *, jobs: int, viewers: int) -> None:
        super().__init__(stack, seed, jobs=jobs, viewers=viewers)
        self._replacements = itertools.chain([group.lose], itertools.repeat(group.switch))

    def targets(self) -> list[tuple[str, Callable[[random.Random], None], float, float]]:
        """The shortest and the longest pause between two faults of a kind, in seconds."""
        primary = ("redis", self._replace, 15.0, 25.0)
        return [("worker", self.kill_worker, 3.0, 8.0), ("web", self.kill_web, 6.0, 12.0), primary]

    def _replace(self, _chance: random.Random) -> None:
        next(self._replacements)()


def main() -> None:
    """Run for so many minutes, then print what happened; an AssertionError says what went wrong."""
    settings = {"minutes": 2.0, "seed": secrets.randbelow(10**6), "jobs": 50, "viewers": 10}
    arguments, results = parsed("machines", __doc__, **settings)
    programs = find_programs()
    assert programs, "PostgreSQL is not on this machine"
    with ExitStack() as running:
        place = Path(running.enter_context(tempfile.TemporaryDirectory()))
        group = running.enter_context(RedisGroup(place / "redis"))
        database = running.enter_context(postgres(programs))
        urls = {"PENSTOCK_DATABASE_URL": database, "PENSTOCK_REDIS_URL": group.url}
        stack = running.enter_context(patient(place / "data", **urls))
        soak = _Machines(stack, group, arguments.seed, jobs=arguments.jobs, viewers=arguments.viewers)
        soak.run(60 * arguments.minutes)
        soak.check()
    case = f"{arguments.jobs} jobs, {arguments.viewers} viewers each, seed {arguments.seed}"
    for name, count in sorted(soak.counts.items()):
        results.add(case, name, "", count)


if __name__ == "__main__":
    main()
