"""`penstock watch`: a job's text, live or long after, from any point, across lost connections."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Generator
from contextlib import closing, suppress
from typing import NoReturn

import click
import openai
from httpx2 import Timeout

from cli.exit_codes import CANCELLED, DONE, FAILED, INTERRUPTED, TIMEOUT, UNREACHABLE, Stop
from cli.interrupts import Interrupts
from cli.output import as_json, print_json, print_text
from cli.server import Job, Server, asks_server, wire
from jobs.events import REASONING_DELTA, TERMINAL, Event
from jobs.reading_order import ReadingOrder, Restarted

# The server beats at least every 15 s; a connection that is silent for much longer is dead.
_SILENCE = Timeout(60, connect=5)
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0
_TRIES = 35  # five minutes of pauses
_PASSING = (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError)
_CODES = {"completed": DONE, "cancelled": CANCELLED}

job_id = click.argument("job_id", metavar="ID")
timeout = click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds to wait.")


@click.command()
@job_id
@click.option("--since", default=-1, metavar="N", help="Print only what came after event number N.")
@click.option("--reasoning", is_flag=True, help="Show the model's reasoning on stderr.")
@as_json
@timeout
@asks_server
def watch(server: Server, *, job_id: str, since: int, reasoning: bool, as_json: bool, timeout: float | None) -> None:
    """Follow a job's text, or with --json its events, until it ends. ID may be the start of one, or `last`.

    Ctrl-C stops the watching, not the job. The exit code is the job's: 0 completed, 1 failed, 3 cancelled.
    """
    follow(server, server.get(job_id), since, reasoning=reasoning, as_json=as_json, timeout=timeout)


def follow(
    server: Server, job: Job, since: int = -1, *, reasoning: bool = False, as_json: bool, timeout: float | None
) -> NoReturn:
    """Print a job's text, or its events, until it ends; end the command with the job's exit code.

    `timeout` is in seconds, None for no limit. Ctrl-C and the timeout end the command, not the job.
    """
    # What an earlier reading, up to `since`, has printed must not have been replaced in between.
    order = ReadingOrder(job if since < 0 else {"output": []})
    with Interrupts(signal.SIGINT, timeout=timeout) as interrupts, closing(_events(server, job["id"])) as events:
        try:
            ended = _print(events, order, since, reasoning=reasoning, as_json=as_json)
        except KeyboardInterrupt:
            code = TIMEOUT if interrupts.take() == signal.SIGALRM else INTERRUPTED
            click.echo(f"\nthe job goes on: penstock watch {job['id']}  |  penstock cancel {job['id']}", err=True)
            raise click.exceptions.Exit(code) from None
        except Restarted:
            again = f"text that is printed above was written again: penstock show {job['id']} prints it anew"
            raise Stop(again, FAILED) from None
    if error := ended.get("error"):
        click.echo(f"the job failed: {error['message']}", err=True)
    elif details := ended.get("incomplete_details"):
        click.echo(f"the job ended early: {details['reason']}", err=True)
    raise click.exceptions.Exit(_CODES.get(ended["status"], FAILED))


def _print(events: Generator[Event], order: ReadingOrder, since: int, *, reasoning: bool, as_json: bool) -> Job:
    """Print what came after event number `since`; the job as it ended."""
    for event in events:
        text = "" if as_json else order.feed(event)
        if event["sequence_number"] <= since:
            continue
        if as_json:
            print_json(event)
        elif reasoning and event["type"] == REASONING_DELTA:
            print_text(event["delta"], err=True)
        else:
            print_text(text)
    if sys.stdout.isatty() and not as_json:
        click.echo()
    return dict(event["response"])


def _events(server: Server, job_id: str) -> Generator[Event]:
    """Every event of a job once, from number 0 to the terminal one, however often the connection is lost.

    Raises Stop when it stays lost for about five minutes.
    """
    last: int | openai.Omit = openai.omit
    failures = 0
    ask = server.openai.responses.retrieve
    while failures < _TRIES:
        # What cannot be mended by trying again, such as a job that was deleted, is raised.
        with suppress(*_PASSING), ask(job_id, stream=True, starting_after=last, timeout=_SILENCE) as stream:
            for event in map(wire, stream):
                last, failures = event["sequence_number"], 0
                yield event
                if event["type"] in TERMINAL:
                    return
        if failures == 0:
            click.echo("connection lost; trying again", err=True)
        time.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failures))
        failures += 1
    raise Stop(f"{server.url} has not answered for five minutes; the job goes on", UNREACHABLE)
