"""`penstock watch`: a job's text, live or long after, from any point, across lost connections."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, cast

import click
import openai
from httpx2 import Timeout
from openai import Stream

from cli.client.completions import job_ids
from cli.client.output import as_json, print_details, print_json, print_text
from cli.client.progress import ProgressLine, notify
from cli.client.server import Job, Server, asks_server
from cli.exit_codes import CANCELLED, DONE, FAILED, INTERRUPTED, TIMEOUT, UNREACHABLE, CommandError
from cli.launch.interrupts import Interrupts
from jobs.job import Status
from jobs.protocol.events import ITEM_DONE, REASONING_DELTA, REFUSAL_DELTA, TERMINAL, TEXT_DELTA, Event
from jobs.protocol.fold import words_of_part
from jobs.protocol.reading_order import ReadingOrder, Restarted

# The server beats at least every 15 s; a connection that is silent for much longer is dead.
_SILENCE = Timeout(60, connect=5)
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0
_TRIES = 35  # five minutes of pauses
_PASSING = (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError)
_CODES = dict.fromkeys(Status, DONE) | {"failed": FAILED, "incomplete": FAILED, "cancelled": CANCELLED}

job_id = click.argument("job_id", metavar="ID", shell_complete=job_ids)
notifies = click.option("--notify", is_flag=True, help="Ring when it is over: the terminal's notification and bell.")
timeout = click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds to wait.")


@dataclass(frozen=True)
class View:
    """What to print of a job, and for how long to wait; as the options of a command have it.

    Only what came after event number `since`, the reasoning too, JSON events instead of the text; to the end, or what
    there is now; for `timeout` seconds at most, None for no limit; a terminal's notification at the end, if `notify`.
    """

    since: int = -1
    reasoning: bool = False
    as_json: bool = False
    follows: bool = True
    timeout: float | None = None
    notify: bool = False


@click.command()
@job_id
@click.option("--since", default=-1, metavar="N", help="Print only what came after event number N.")
@click.option("--reasoning", is_flag=True, help="Show the model's reasoning on stderr.")
@click.option("--no-follow", "follows", is_flag=True, default=True, flag_value=False, help="Print what there is now.")
@as_json
@timeout
@notifies
@asks_server
def watch(server: Server, *, job_id: str, **view: Any) -> None:
    """Follow a job's text, or with --json its events, until it ends. ID may be the start of one, or `last`.

    Ctrl-C stops the watching, not the job. The exit code is the job's: 0 completed, 1 failed, 3 cancelled; with
    --no-follow also 0 when it has not ended.
    """
    follow(server, server.get(job_id), View(**view))


def follow(server: Server, job: Job, view: View) -> NoReturn:
    """Print a job's text, or its events; end the command with the job's exit code.

    `job` is how the job was just now. Ctrl-C and the timeout end the command, not the job.
    """
    events = _events(server, job["id"])
    if not (view.follows or Status(job["status"]).is_terminal):
        events = _present(events, job)
    line = ProgressLine(server, job, shown=not view.as_json)
    # What an earlier reading, up to `since`, has printed must not have been replaced in between.
    order = ReadingOrder(job if view.since < 0 else {"output": []})
    with Interrupts(signal.SIGINT, timeout=view.timeout) as interrupts, closing(events), line.drawn():
        try:
            last = _print(events, order, view, line)
        except KeyboardInterrupt:
            code = TIMEOUT if interrupts.take() == signal.SIGALRM else INTERRUPTED
            click.echo(f"\nthe job goes on: penstock watch {job['id']}  |  penstock cancel {job['id']}", err=True)
            raise click.exceptions.Exit(code) from None
        except Restarted:
            again = f"text that is printed above was written again: penstock show {job['id']} prints it anew"
            raise CommandError(again, FAILED) from None
    seen = last.get("response", job)
    if Status(seen["status"]).is_terminal:
        print_details(seen)
        if view.notify:
            notify("Penstock", f"{job['id']} is {seen['status']}")
    raise click.exceptions.Exit(_CODES[seen["status"]])


def _print(events: Iterator[Event], order: ReadingOrder, view: View, line: ProgressLine) -> Event:
    """Print what the view shows of the events; the last of them."""
    for event in events:
        line.feed(event)
        text = "" if view.as_json else order.feed(event)
        if event["sequence_number"] <= view.since:
            continue
        if view.as_json:
            print_json(event)
            continue
        thought = event["delta"] if view.reasoning and event["type"] == REASONING_DELTA else ""
        if text or thought:
            line.make_room(for_text=not thought)
            print_text(thought, err=True)
            print_text(text)
    if sys.stdout.isatty() and not view.as_json:
        click.echo()
    return event


def _present(events: Iterator[Event], job: Job) -> Generator[Event]:
    """The first events, until what `job`, which has not ended, tells of has come: each item's text, and its end."""
    due: Counter[str] = Counter()
    for item in job["output"]:
        due[item["id"]] = sum(len(words_of_part(part)) for part in item.get("content", ())) + (
            item["status"] != "in_progress"
        )
    for event in events:
        yield event
        if event["type"] in (TEXT_DELTA, REFUSAL_DELTA, REASONING_DELTA):
            due[event["item_id"]] -= len(event["delta"])
        elif event["type"] == ITEM_DONE:
            due[event["item"]["id"]] -= 1
        if event["sequence_number"] > 0 and not +due:
            return


def _events(server: Server, job_id: str) -> Generator[Event]:
    """Every event of a job once, from number 0 to the terminal one, however often the connection is lost.

    Raises CommandError when it stays lost for about five minutes.
    """
    query: dict[str, object] = {"stream": True}
    failures = 0
    # Not `retrieve`: pydantic, which types its events, makes an error of its own of a Ctrl-C that hits it.
    ask = partial(server.openai.get, f"/responses/{job_id}", cast_to=object, stream=True, stream_cls=Stream[object])
    while failures < _TRIES:
        # What cannot be mended by trying again, such as a job that was deleted, is raised.
        with suppress(*_PASSING), ask(options={"params": query, "timeout": _SILENCE}) as stream:
            for event in cast(Iterator[Event], stream):
                query["starting_after"], failures = event["sequence_number"], 0
                yield event
                if event["type"] in TERMINAL:
                    return
        if failures == 0:
            click.echo("connection lost; trying again", err=True)
        time.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failures))
        failures += 1
    raise CommandError(f"{server.url} has not answered for five minutes; the job goes on", UNREACHABLE)
