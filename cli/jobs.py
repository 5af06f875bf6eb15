"""`penstock submit`, `list`, `show` and `cancel`: making a job, and looking at those that there are."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import BinaryIO, TextIO

import click
from openai import omit
from openai.types.responses.response_prompt_param import Variables

from cli.exit_codes import USAGE, Stop
from cli.output import as_json, print_json, print_text
from cli.server import Job, Server, asks_server, wire
from cli.watch import follow, job_id, timeout
from jobs.fold import text_of
from jobs.record import Status


@click.command()
@click.argument("prompt", required=False)
@click.argument("variables", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--input", "text", help="Text to send; `-` reads it from stdin.")
@click.option("--file", "files", type=click.File(encoding="utf-8"), multiple=True, help="A file with text to send.")
@click.option("--model", help="The model, when it is not to be the server's own choice.")
@click.option("--follow", "follows", is_flag=True, help="Print the text as it is written, or with --json its events.")
@as_json
@timeout
@asks_server
def submit(
    server: Server,
    *,
    prompt: str | None,
    variables: tuple[str, ...],
    text: str | None,
    files: tuple[TextIO, ...],
    model: str | None,
    follows: bool,
    as_json: bool,
    timeout: float | None,
) -> None:
    """Queue a job and print its id, or with --follow its text.

    PROMPT is a prompt's id: `penstock submit story topic=penguins`. Without one the text of --input, --file
    or stdin is sent as it is.
    """
    created = server.openai.responses.create(
        background=True,
        prompt={"id": prompt, "variables": _variables(variables)} if prompt else omit,
        input=_input(prompt, text, files) or omit,
        model=model or omit,
        # The client sends again what got no answer; with this the server knows it for the same job.
        extra_headers={"Idempotency-Key": uuid.uuid4().hex},
    )
    job = wire(created)
    click.echo(f"{server.url}/jobs/{job['id']}", err=True)
    if follows:
        follow(server, job, as_json=as_json, timeout=timeout)
    print_json(job) if as_json else click.echo(job["id"])


def _variables(words: Iterable[str]) -> dict[str, Variables]:
    for word in words:
        if "=" not in word:
            raise Stop(f"{word!r} is not a variable: write name=value", USAGE)
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _input(prompt: str | None, text: str | None, files: Iterable[TextIO]) -> str:
    if prompt and "=" in prompt:
        raise Stop(f"{prompt!r} is a variable, and comes after the id of a prompt", USAGE)
    texts = [file.read() for file in files]
    if text is not None:
        texts.insert(0, sys.stdin.read() if text == "-" else text)
    if not texts and not prompt:
        if sys.stdin.isatty():
            raise Stop("nothing to do: name a prompt, or give --input, --file or text on stdin", USAGE)
        texts = [sys.stdin.read()]
    return "\n\n".join(texts)


@click.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100), help="How many at most.")
@click.option("--status", type=click.Choice(list(Status)), help="Only those.")
@as_json
@asks_server
def list_jobs(server: Server, limit: int, status: str | None, as_json: bool) -> None:
    """List the newest jobs, newest first."""
    for job in server.jobs(limit, status):
        print_json(job) if as_json else click.echo(_line(job))


def _line(job: Job) -> str:
    prompt = job.get("prompt") or {}
    asked = " ".join(f"{name}={value}" for name, value in (prompt.get("variables") or {}).items())
    created = datetime.fromtimestamp(job["created_at"]).astimezone()
    what = f"{prompt['id']} {asked}" if prompt else job["model"]
    return f"{job['id']}  {job['status']:<11}  {created:%Y-%m-%d %H:%M}  {what}"


@click.command()
@job_id
@click.option("--format", "form", type=click.Choice(["md", "json"]), default="md", help="The text, or the job whole.")
@click.option("-o", "--output", type=click.File("wb", lazy=True), help="Write to this file instead.")
@asks_server
def show(server: Server, job_id: str, form: str, output: BinaryIO | None) -> None:
    """Print what a job has written so far. ID may be the start of one, or `last`."""
    job = server.get(job_id)
    content = text_of(job) if form == "md" else json.dumps(job, ensure_ascii=False, indent=2) + "\n"
    output.write(content.encode()) if output else print_text(content)
    if job["status"] != "completed":
        click.echo(f"this job is {job['status']}", err=True)


@click.command()
@job_id
@as_json
@asks_server
def cancel(server: Server, job_id: str, as_json: bool) -> None:
    """Cancel a job; what it has written is kept. ID may be the start of one, or `last`."""
    job = wire(server.openai.responses.cancel(server.full_id(job_id)))
    if as_json:
        print_json(job)
    click.echo(f"{job['id']} is {job['status']}", err=True)
