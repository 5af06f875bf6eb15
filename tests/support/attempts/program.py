"""What happens to a job, as bytes: three for each step, so that any bytes are a program, and zeros make it simple."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from jobs.job import Status
from tests.support.attempts.fates import FATES
from tests.support.attempts.run import Run
from tests.support.attempts.world import World

STEPS = 20
BYTES = 3 * STEPS


# From this value on a step's first byte says that it happens within the steps that follow, before one of their calls.
_FIRST_INTERRUPT = 200
_CALLS = 8


class Choice(NamedTuple):
    """The two free bytes of a step."""

    first: int
    second: int

    @property
    def fate(self) -> str:
        """What becomes of the call to Redis."""
        return FATES[self.first % len(FATES)]

    @property
    def sql(self) -> str:
        """What becomes of the call to the database."""
        return FATES[self.second % len(FATES)]

    @property
    def number(self) -> int:
        """A number from 0 to 7 that depends on neither fate."""
        return (self.first // 32) ^ (self.second // 32)


def run(world: World, program: bytes) -> Iterator[None]:
    """Take the steps one by one; then all is well again, and the job has to end. Yields after each step."""
    for kind, first, second in zip(program[::3], program[1::3], program[2::3], strict=False):
        choice = Choice(first, second)
        if kind < _FIRST_INTERRUPT:
            _STEPS[kind % len(_STEPS)](world, choice)
        else:
            world.interrupt(kind % _CALLS, partial(_INTERRUPTS[first % len(_INTERRUPTS)], world, choice))
        world.check()
        yield
    yield from _recover(world)
    world.check_over()


def _recover(world: World) -> Iterator[None]:
    """Workers that were replaced notice it, and others claim the job until it has ended."""
    for _ in range(world.settings.max_attempts + 4):
        for run in world.runs:
            run.rows.fate = "done"
            run.notice()
            _complete(run)
        world.check()
        yield
        row = world.storage.row()
        if row is None or Status(row["status"]).is_terminal:
            return
        world.rescue()
        world.claim("done", "done")


def _complete(run: Run) -> None:
    while not run.is_over and not run.is_complete:
        run.write(3)
        run.finish_section()
    run.end()
    for _ in range(3):
        run.flush("done")


def _of_run(step: Callable[[Run, Choice], None]) -> Callable[[World, Choice], None]:
    """A step of one of the runs, after which a replaced one has changed nothing; a claim where there is none."""

    def of_run(world: World, choice: Choice) -> None:
        if not world.runs:
            _claim(world, choice)
            return
        run = world.runs[choice.number % len(world.runs)] if choice.number < 3 else world.runs[-1]
        with world.guarded(run):
            step(run, choice)
            run.flush(choice.fate)
            run.rows.fate = "done"

    return of_run


def _claim(world: World, choice: Choice) -> None:
    world.claim(choice.sql, choice.fate)


def _write(run: Run, choice: Choice) -> None:
    run.rows.fate = "done"
    run.write(1 + choice.second % 3)


def _finish_section(run: Run, choice: Choice) -> None:
    run.write(3)
    run.rows.fate = choice.sql
    run.finish_section()


def _end(run: Run, choice: Choice) -> None:
    run.rows.fate = choice.sql
    if run.is_complete or choice.number == 7:
        run.end()


def _ask_again(run: Run, _: Choice) -> None:
    run.ask_again()


def _beat(run: Run, choice: Choice) -> None:
    run.flush("done")
    run.rows.fate = choice.sql
    run.beat()


def _notice(run: Run, choice: Choice) -> None:
    run.rows.fate = choice.sql
    run.notice()


def _drain(run: Run, choice: Choice) -> None:
    run.rows.fate = choice.sql
    run.drain()


def _rescue(world: World, choice: Choice) -> None:
    if world.runs and choice.number % 2:
        world.runs.pop()  # it is dead indeed
    world.rescue(choice.sql)


def _replace(world: World, _: Choice) -> None:
    world.rescue()
    world.claim("done", "done")


def _cancel(world: World, choice: Choice) -> None:
    world.cancel(graceful=choice.number % 2 == 0)


def _delete(world: World, choice: Choice) -> None:
    if choice.number < 2 and not world.is_deleted:
        world.delete()


def _lose(world: World, choice: Choice) -> None:
    world.lose(*(("log", "fence"), ("log",), ("fence",))[choice.number % 3])


def _save(world: World, _: Choice) -> None:
    world.save()


def _roll_back(world: World, choice: Choice) -> None:
    if world.saved and world.runs and choice.number % 2:
        world.runs[-1].beat()  # as it does every two seconds: the state on disk is rarely younger than that
    if world.saved and not world.is_deleted:
        world.roll_back(-1 if choice.number < 6 else 0)


def _lose_machine(world: World, choice: Choice) -> None:
    """Redis goes back to its last state on disk, and a worker dies with it."""
    _roll_back(world, choice)
    if world.runs:
        world.runs.pop()
    world.rescue()


def _pass(_: World, __: Choice) -> None:
    """The step of a zero: what a program shrinks to."""


_STEPS: tuple[Callable[[World, Choice], None], ...] = (
    _pass,
    _claim,
    _claim,
    _of_run(_write),
    _of_run(_write),
    _of_run(_ask_again),
    _of_run(_finish_section),
    _of_run(_finish_section),
    _of_run(_end),
    _of_run(_beat),
    _of_run(_notice),
    _of_run(_drain),
    _rescue,
    _rescue,
    _cancel,
    _delete,
    _lose,
    _save,
    _save,
    _roll_back,
    _lose_machine,
    _lose_machine,
)

_INTERRUPTS = (_replace, _rescue, _cancel, _delete, _lose, _roll_back, _lose_machine, _save)
