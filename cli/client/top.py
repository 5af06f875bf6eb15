"""`penstock top`: what works and what waits, on a screen that is drawn again and again; for a terminal over SSH."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.client.output import as_json, one_line, print_json
from cli.client.server import Server, asks_server
from cli.exit_codes import CommandError
from jobs.status.details import StatusDetails
from jobs.status.translation import duration

System = dict[str, Any]  # as /system.json has it
_QUIT = b"qQ\x04"
_TITLE_COLUMNS = 24  # at least


@click.command()
@click.option("--every", default=2.0, show_default=True, type=click.FloatRange(0.2), metavar="S", help="Seconds.")
@as_json
@asks_server
def top(server: Server, *, every: float, as_json: bool) -> None:
    """Show queues, workers, your running jobs and failures, every few seconds; `q` ends it.

    Where stdout is no terminal, or with --json, they are printed once.
    """
    if as_json:
        print_json(server.system())
    elif not (sys.stdout.isatty() and sys.stdin.isatty()):
        Console().print(screen(server.system(), server.url))
    else:
        _follow(server, every)


def screen(system: System, url: str, problem: str = "") -> RenderableType:
    """The figures as a person reads them; above them `problem`, if something keeps newer ones from coming."""
    head = Text(f"Penstock  {url}  {time.strftime('%H:%M:%S', time.localtime(system['created_at']))}", style="bold")
    parts: list[RenderableType] = [head]
    if problem:
        parts.append(Text(one_line(problem), style="bold red"))
    if "queues" in system:
        parts += [*_figures(system), _queues(system), _workers(system), *_jobs(system), *_failures(system)]
    return Group(*parts, _health(system))


def _follow(server: Server, every: float) -> None:
    """Draw the screen until a key or Ctrl-C ends it. While the server is away, the last figures stay."""
    system = server.system()
    drawing = Live(screen(system, server.url), screen=True, auto_refresh=False)
    with suppress(KeyboardInterrupt), _single_keys() as keys, drawing as live:
        while not _is_quit(keys, every):
            try:
                with server.errors_explained():
                    system, problem = server.system(), ""
            except CommandError as error:
                problem = f"{error}; asked again every {every:g} s"
            live.update(screen(system, server.url, problem), refresh=True)


@contextmanager
def _single_keys() -> Iterator[int]:
    """The terminal hands on each key at once, and shows none; its number."""
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    tty.setcbreak(keys)
    try:
        yield keys
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def _is_quit(keys: int, seconds: float) -> bool:
    """Wait so long; whether a key, or the end of the terminal, has ended it meanwhile."""
    if not select.select([keys], [], [], seconds)[0]:
        return False
    pressed = os.read(keys, 64)
    return not pressed or any(key in _QUIT for key in pressed)


def _figures(system: System) -> list[RenderableType]:
    waiting, running = (sum(queue[name] for queue in system["queues"]) for name in ("waiting", "running"))
    hour = system["last_hour"]
    figures = [
        f"{waiting:,} waiting · {running:,} running · about {system['tokens_per_second']:,.0f} tokens/s"
        f" · {system['open_streams']:,} open streams",
        f"last hour: {hour['accepted']:,} accepted, {hour['completed']:,} completed, {hour['failed']:,} failed,"
        f" {hour['other']:,} others, {hour['tokens']:,} tokens",
    ]
    lines: list[RenderableType] = [Text(figure) for figure in figures]
    if told := system["status_details"]:
        lines.append(Text(StatusDetails.from_wire(told).sentence(), style="bold red"))
    return lines


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, expand=True, header_style="bold")
    table.add_column(first, ratio=1, no_wrap=True, overflow="ellipsis", min_width=_TITLE_COLUMNS)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _queues(system: System) -> Table:
    table = _table("\nQUEUE", "\nwaiting", "\noldest", "\nrunning", "\nstate")
    for queue in system["queues"]:
        oldest = queue["oldest_wait_seconds"]
        state = "paused" if queue["paused"] else "open"
        table.add_row(
            queue["name"],
            f"{queue['waiting']:,}",
            _seconds(oldest),
            f"{queue['running']:,}",
            state,
            style=_warns(state),
        )
    return table


def _workers(system: System) -> Table:
    table = _table("\nWORKER", "\nfor", "\nlast sign", "\nrunning", "\nstate")
    for worker in system["workers"]:
        state = "frozen" if worker["frozen"] else "alive"
        age = _seconds(system["created_at"] - worker["started_at"])
        silent = _seconds(worker["silent_seconds"])
        table.add_row(Text(worker["name"]), age, silent, f"{worker['running']:,}", state, style=_warns(state))
    return table


def _jobs(system: System) -> list[RenderableType]:
    if not system["jobs"]:
        return []
    table = _table("\nYOUR RUNNING JOBS", "\nfor", "\nsections", "\nwords", "\nid")
    for job in system["jobs"]:
        sections = f"{job['done']}/{job['total']}" if job["total"] > 1 else ""
        figures = (_seconds(job["seconds"]), sections, f"{job['words']:,}", job["id"][:13])
        table.add_row(Text(one_line(job["title"])), *figures)
    return [table]


def _failures(system: System) -> list[RenderableType]:
    if not system["failures"]:
        return []
    table = _table("\nFAILURES OF 24 HOURS", "\njobs")
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"  # they say what to do
    for failure in sorted(system["failures"], key=lambda failure: -failure["jobs"]):
        table.add_row(Text(StatusDetails.from_wire(failure).sentence()), f"{failure['jobs']:,}")
    return [table]


def _health(system: System) -> Table:
    table = _table("\nHEALTH", "")
    for part in system["health"]:
        seconds, problem = part["seconds"], part["problem"] or "does not answer"
        said = f"answers in {1000 * seconds:.1f} ms" if seconds is not None else one_line(problem)
        table.add_row(Text(part["name"]), said, style=None if seconds is not None else "red")
    return table


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)


def _warns(state: str) -> str | None:
    return "yellow" if state in ("paused", "frozen") else None
