"""`penstock submit`, `retry`, `list`, `show` and `cancel`: making jobs, and looking at those that there are."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import click
from openai import omit
from openai.types.responses import Response

from cli.client import completions
from cli.client.attachments import image_address, source_text
from cli.client.listing import lines, record
from cli.client.output import (
    FORMATS,
    as_json,
    format_of,
    print_details,
    print_json,
    print_text,
    progress_bar,
    write_file,
)
from cli.client.rows import read_rows
from cli.client.server import Job, Server, asks_server, only_once, wire
from cli.client.watch import View, follow, job_id, notifies, timeout
from cli.exit_codes import CommandError
from jobs.job import Status
from jobs.protocol.fold import readable_text

# As the API has them: SQLAlchemy would take long to load.
_SORTS = ("newest", "oldest", "words", "duration", "title")
_DAY = click.DateTime(["%Y-%m-%d"])

follows = click.option("--follow", "follows", is_flag=True, help="Print its text as it is written, or --json events.")


@click.command()
@click.argument("prompt", required=False, shell_complete=completions.prompt_ids)
@click.argument("variables", nargs=-1, metavar="[NAME=VALUE]...", shell_complete=completions.variables)
@click.option("--input", "text", help="Text to send; `-` reads it from stdin.")
@click.option("--file", "files", type=click.File(encoding="utf-8"), multiple=True, help="A file with text to send.")
@click.option("--image", "images", multiple=True, help="A PNG, JPEG, GIF or WebP file, or the address of an image.")
@click.option(
    "--source",
    "sources",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file to write from: .txt, .md, .html, .docx, .pdf or .csv; may be given again.",
)
@click.option("--each", "table", type=click.File("rb"), help="A job for each row of this CSV file; `-` is stdin.")
@click.option("--model", help="The model, when it is not to be the server's own choice.")
@click.option("--review", is_flag=True, help="Wait after the plan until you agree on it: `penstock plan ID`.")
@click.option("--idempotency-key", "key", help="The same key again makes no second job; with --each, KEY-ROW.")
@click.option("--webhook", metavar="URL", help="An address that is told when the job ends: see `penstock webhooks`.")
@follows
@as_json
@timeout
@notifies
@asks_server
def submit(
    server: Server,
    *,
    prompt: str | None,
    variables: tuple[str, ...],
    text: str | None,
    files: tuple[TextIO, ...],
    images: tuple[str, ...],
    sources: tuple[Path, ...],
    table: BinaryIO | None,
    model: str | None,
    review: bool,
    key: str | None,
    webhook: str | None,
    **view: Any,
) -> None:
    """Queue a job and print its id, or with --follow its text.

    PROMPT is a prompt's id: `penstock submit story topic=penguins`. Without one the text of --input, --file
    or stdin is sent as it is. With --each, line 1 of the file names the variables, and NAME=VALUE is for all rows.
    """
    if prompt and "=" in prompt:
        raise CommandError(f"{prompt!r} is a variable, and comes after the id of a prompt")
    if key and not (key.isascii() and key.isprintable()):
        raise CommandError("--idempotency-key goes into a header: use ASCII characters only")
    own = {"penstock": {"webhook": webhook, "review": review}}
    create: Callable[..., Response] = partial(
        server.openai.responses.create, background=True, model=model or omit, extra_body=own
    )
    shared, text = _with_sources(server, sources, prompt, named_values(variables), text)
    shown = View(**view)
    if table is None:
        reference = {"id": prompt, "variables": shared} if prompt else omit
        asked = _input(prompt, text, files, images) or omit
        print_new(server, wire(create(prompt=reference, input=asked, extra_headers=only_once(key))), shown)
        return
    if not prompt or text is not None or files or images or shown.follows:
        raise CommandError("--each needs the id of a prompt, and goes without --input, --file, --image and --follow")
    rows = read_rows(table)
    with progress_bar() as bar:
        for number, (place, row) in enumerate(bar.track(rows, description="submitting"), 1):
            reference = {"id": prompt, "variables": {**row, **shared}}
            with server.errors_explained(f"{place}: "):
                created = create(prompt=reference, extra_headers=only_once(key and f"{key}-{number}"))
            print_json(wire(created)) if shown.as_json else click.echo(created.id)


def print_new(server: Server, job: Job, view: View) -> None:
    """Print the id of a new job, or what is wished of it."""
    click.echo(f"{server.url}/jobs/{job['id']}", err=True)
    if view.follows:
        follow(server, job, view)
    print_json(job) if view.as_json else click.echo(job["id"])


def _with_sources(
    server: Server, sources: Iterable[Path], prompt: str | None, variables: dict[str, str], text: str | None
) -> tuple[dict[str, str], str | None]:
    """Variables and text, with what stands in the sources: in a prompt's variable `source`, else before the text."""
    if not (read := source_text(server, sources)):
        return variables, text
    if prompt:
        return {**variables, "source": "\n\n".join(filter(None, [variables.get("source"), read]))}, text
    return variables, f"{read}\n\n{text or ''}"


def named_values(words: Iterable[str]) -> dict[str, str]:
    """The values that words like `name=value` give. Raises CommandError."""
    for word in words:
        if "=" not in word:
            raise CommandError(f"{word!r} is not a variable: write name=value")
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _input(prompt: str | None, text: str | None, files: Iterable[TextIO], images: Sequence[str]) -> Any:
    words = _text(prompt, text, files)
    if not images:
        return words
    parts = [{"type": "input_image", "image_url": image_address(image)} for image in images]
    return [{"role": "user", "content": [{"type": "input_text", "text": words}, *parts]}]


def _text(prompt: str | None, text: str | None, files: Iterable[TextIO]) -> str:
    texts = [file.read() for file in files]
    if text is not None:
        texts.insert(0, sys.stdin.read() if text == "-" else text)
    if not texts and not prompt:
        if sys.stdin.isatty():
            raise CommandError("nothing to do: name a prompt, or give --input, --file or text on stdin")
        texts = [sys.stdin.read()]
    return "\n\n".join(texts)


@click.command()
@job_id
@follows
@as_json
@timeout
@notifies
@asks_server
def retry(server: Server, *, job_id: str, **view: Any) -> None:
    """Queue an ended job again, as a new one that keeps what was finished, and print the new one's id.

    ID may be the start of one, or `last`.
    """
    print_new(server, server.retry(job_id), View(**view))


@click.command("list")
@click.option("-q", "--query", metavar="TEXT", help="Only those with these words; each with where they stand.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many at most.")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Only those.")
@click.option("--waiting", flag_value="plan", help="Only those whose plan waits for you.")
@click.option("--starred", flag_value="true", help="Only those with a star.")
@click.option("--label", help="Only those with this label.")
@click.option("--since", type=_DAY, help="Only those from this day on, in this machine's time.")
@click.option("--until", type=_DAY, help="Only those to the end of this day.")
@click.option(
    "--sort", type=click.Choice(_SORTS), help="What comes first; else the newest. All but two sort the newest 10,000."
)
@as_json
@asks_server
def list_jobs(
    server: Server,
    *,
    query: str | None,
    limit: int,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
    **only: str | None,
) -> None:
    """List the newest jobs, newest first."""
    first, end = since and since.timestamp(), until and (until + timedelta(days=1)).timestamp()
    jobs = server.jobs(limit, q=query, since=first and int(first), until=end and int(end), **only)
    if as_json:
        for job in jobs:
            print_json(job)
    elif sys.stdout.isatty():
        for line in lines(list(jobs), shutil.get_terminal_size().columns, time.time()):
            click.echo(line)
    else:
        for job in jobs:
            click.echo(record(job))


@click.command()
@job_id
@click.option("--format", "form", type=click.Choice(FORMATS), help="The text, the job whole, or a file of its text.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead.")
@asks_server
def show(server: Server, job_id: str, form: str | None, output: Path | None) -> None:
    """Print what a job has written so far. ID may be the start of one, or `last`.

    Without --format the name of the file says what it is: report.docx, report.pdf, report.html.
    """
    job = server.get(job_id)
    form = form or format_of(output)
    if form in ("md", "json"):
        text = readable_text(job) if form == "md" else json.dumps(job, ensure_ascii=False, indent=2) + "\n"
        write_file(output, text.encode()) if output else print_text(text)
    else:
        write_file(output, server.file(job["id"], form))
    print_details(job)


@click.command()
@job_id
@click.option("--graceful", is_flag=True, help="Let what is being written come to the end of its sentence.")
@as_json
@asks_server
def cancel(server: Server, job_id: str, graceful: bool, as_json: bool) -> None:
    """Cancel a job; what it has written is kept. ID may be the start of one, or `last`."""
    job = server.cancel(job_id, graceful=graceful)
    if as_json:
        print_json(job)
    click.echo(f"{job['id']} is {job['status']}", err=True)


@click.command()
@job_id
@click.option("-y", "--yes", is_flag=True, help="Do not ask first.")
@as_json
@asks_server
def delete(server: Server, job_id: str, yes: bool, as_json: bool) -> None:
    """Delete a job and its text for good; a running one is cancelled. ID may be the start of one, or `last`."""
    full_id = server.full_id(job_id)
    if not yes and sys.stdin.isatty():
        click.confirm(f"Delete {full_id} and its text?", abort=True, err=True)
    answer = server.delete(full_id)
    if as_json:
        print_json(answer)
    click.echo(f"{full_id} is deleted", err=True)
