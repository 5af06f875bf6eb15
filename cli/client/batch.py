"""`penstock batch`: the requests of a file, run when there is room."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, BinaryIO

import click
from openai.types import Batch

from cli.client.output import as_json, one_line, print_json, progress_bar
from cli.client.server import Server, asks_server, wire
from cli.exit_codes import CANCELLED, FAILED, CommandError
from jobs.requests.batch_line import ENDPOINTS, RESPONSES

_POLL_SECONDS = 1.0
_RUNS = ("validating", "in_progress", "finalizing", "cancelling")


@click.command()
@click.argument("file", metavar="FILE|ID")
@click.option("--endpoint", type=click.Choice(ENDPOINTS), default=RESPONSES, show_default=True, help="Of its requests.")
@click.option("-o", "--output", type=click.File("wb", lazy=True), default="-", help="Where the answers go.")
@click.option("--errors", type=click.File("wb", lazy=True), help="Where the lines go that have no answer.")
@click.option("--detach", is_flag=True, help="Print the id of the batch, and do not wait for it.")
@as_json
@asks_server
def batch(
    server: Server, *, file: str, endpoint: Any, output: BinaryIO, errors: BinaryIO | None, detach: bool, as_json: bool
) -> None:
    """Run the requests of FILE, a JSON object a line as OpenAI's Batch API has them, and print the answers.

    With the ID of a batch, wait for that one. Ctrl-C leaves it running.
    """
    made = _of_id(server, file) if file.startswith("batch_") else _of_file(server, file, endpoint)
    click.echo(f"{made.id} is {made.status}", err=True)
    if detach:
        print_json(wire(made)) if as_json else click.echo(made.id)
        return
    ended = _awaited(server, made)
    if as_json:
        print_json(wire(ended))
    elif ended.output_file_id:
        _copy(server, ended.output_file_id, output)
    if errors and ended.error_file_id:
        _copy(server, ended.error_file_id, errors)
    _tell(ended)


def _of_id(server: Server, batch_id: str) -> Batch:
    return server.openai.batches.retrieve(batch_id)


def _of_file(server: Server, name: str, endpoint: Any) -> Batch:
    try:
        with Path(name).open("rb") as content:
            uploaded = server.openai.files.create(file=content, purpose="batch")
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror}") from error
    return server.openai.batches.create(input_file_id=uploaded.id, endpoint=endpoint, completion_window="24h")


def _awaited(server: Server, made: Batch) -> Batch:
    with progress_bar() as bar:
        task = bar.add_task("reading", total=None)
        while made.status in _RUNS:
            time.sleep(_POLL_SECONDS)
            made = server.openai.batches.retrieve(made.id)
            if (counts := made.request_counts) and counts.total:
                done = counts.completed + counts.failed
                bar.update(task, description="running", total=counts.total, completed=done)
    return made


def _copy(server: Server, file_id: str, target: BinaryIO) -> None:
    with server.openai.files.with_streaming_response.content(file_id) as answer:
        for piece in answer.iter_bytes():
            target.write(piece)


def _tell(ended: Batch) -> None:
    """Say how a batch ended, and leave with the exit code for it."""
    for error in (ended.errors and ended.errors.data) or []:
        place = f"line {error.line}: " if error.line else ""
        click.echo(f"{place}{one_line(error.message or '')}", err=True)
    counts = ended.request_counts
    told = f": {counts.completed} of {counts.total} answered, {counts.failed} failed" if counts and counts.total else ""
    cost = f"; {ended.usage.total_tokens:,} tokens" if ended.usage and ended.usage.total_tokens else ""
    click.echo(f"{ended.id} is {ended.status}{told}{cost}", err=True)
    if ended.status == "cancelled":
        raise SystemExit(CANCELLED)
    if ended.status != "completed" or (counts and counts.failed):
        raise SystemExit(FAILED)
