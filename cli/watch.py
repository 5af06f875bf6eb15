"""`penstock watch`: a job's text, live or long after, from any point, across lost connections."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from typing import NoReturn

import click
import openai
from httpx2 import Timeout

from cli.exit_codes import FAILED, INTERRUPTED, TIMEOUT, UNREACHABLE, Stop, of_status
from cli.interrupts import Interrupts
from cli.json_line import print_json
from cli.server import Job, Server, asks_server, wire
from jobs.events import REASONING_DELTA, TERMINAL, Event
from jobs.reading_order import ReadingOrder, Restarted

# The server beats at least every 15 s; a connection that is silent for much longer is dead.
_SILENCE = Timeout(60, connect=5)
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0
_GIVE_UP_SECONDS = 300.0
# A model must not be able to drive the terminal: of the control characters, only line feed and tab pass.
_CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - {ord("\n"), ord("\t")})


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--since", default=-1, metavar="N", help="Print only what came after event number N.")
@click.option("--reasoning", is_flag=True, help="Show the model's reasoning on stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print the events, one a line.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds to wait at most.")
@asks_server
def watch(server: Server, *, job_id: str, since: int, reasoning: bool, as_json: bool, timeout: float | None) -> None:
    """Follow a job's text until it ends. ID may be the start of one, or `last`.

    Ctrl-C stops the watching, not the job. The exit code is the job's: 0 completed, 1 failed, 3 cancelled.
    """
    job = server.get(job_id)
    follow(server, job, since=since, reasoning=reasoning, as_json=as_json, timeout=timeout)


def follow(
    server: Server, job: Job, *, since: int = -1, reasoning: bool = False, as_json: bool = False, timeout: float | None
) -> NoReturn:
    """Print a job's text, or its events, until it ends; end the command with the job's exit code.

    `timeout` is in seconds, None for no limit. Ctrl-C and the timeout end the command, not the job.
    """
    with _detaching(job["id"], timeout), closing(events_of(server, job["id"])) as stream:
        if as_json:
            ended = _print_events(stream, since)
        else:
            # What an earlier reading, up to `since`, has printed must not have been replaced in between.
            order = ReadingOrder(job if since < 0 else {"output": []})
            ended = _print_text(stream, order, since, reasoning=reasoning)
    if error := ended.get("error"):
        click.echo(f"the job failed: {error['message']}", err=True)
    elif details := ended.get("incomplete_details"):
        click.echo(f"the job ended early: {details['reason']}", err=True)
    raise click.exceptions.Exit(of_status(ended["status"]))


def _print_events(stream: Iterator[Event], since: int) -> Job:
    for event in stream:
        if event["sequence_number"] > since:
            print_json(event)
    return dict(event["response"])


def _print_text(stream: Iterator[Event], order: ReadingOrder, since: int, *, reasoning: bool) -> Job:
    terminal = sys.stdout.isatty()
    ends_line = True
    for event in stream:
        text = order.feed(event)
        if event["sequence_number"] <= since:
            continue
        if text:
            ends_line = text.endswith("\n")
            click.echo((text.translate(_CONTROLS) if terminal else text).encode(), nl=False)
        elif reasoning and event["type"] == REASONING_DELTA:
            click.echo(event["delta"].translate(_CONTROLS), nl=False, err=True)
    if terminal and not ends_line:
        click.echo()
    return dict(event["response"])


def events_of(server: Server, job_id: str) -> Generator[Event]:
    """Every event of a job once, from number 0 to the terminal one, however often the connection is lost.

    Raises Stop when it stays lost for five minutes.
    """
    last: int | None = None
    lost_at: float | None = None
    pause = _FIRST_PAUSE
    while True:
        # What cannot be mended by trying again, such as a job that was deleted, is raised.
        with suppress(openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError):
            for event in _one_connection(server, job_id, last):
                last, lost_at, pause = event["sequence_number"], None, _FIRST_PAUSE
                yield event
                if event["type"] in TERMINAL:
                    return
        if lost_at is None:
            lost_at = time.monotonic()
            click.echo("connection lost; trying again", err=True)
        elif time.monotonic() - lost_at > _GIVE_UP_SECONDS:
            raise Stop(f"no answer from {server.url} for {_GIVE_UP_SECONDS:.0f} s; the job goes on", UNREACHABLE)
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 2)


def _one_connection(server: Server, job_id: str, last: int | None) -> Iterator[Event]:
    after = openai.omit if last is None else last
    with server.openai.responses.retrieve(job_id, stream=True, starting_after=after, timeout=_SILENCE) as stream:
        for event in stream:
            yield wire(event)


@contextmanager
def _detaching(job_id: str, timeout: float | None) -> Iterator[None]:
    """Ctrl-C and the timeout end the watching with a hint how to go on, and the exit code that says which."""
    with Interrupts(signal.SIGINT, timeout=timeout) as interrupts:
        try:
            yield
        except KeyboardInterrupt:
            code = TIMEOUT if interrupts.take() == signal.SIGALRM else INTERRUPTED
            click.echo(f"\nthe job goes on: penstock watch {job_id}  |  penstock cancel {job_id}", err=True)
            raise click.exceptions.Exit(code) from None
        except Restarted:
            again = f"text that is printed above was written again: penstock show {job_id} prints it anew"
            raise Stop(again, FAILED) from None
