"""`penstock submit`: queue a job from a prompt and its variables, or from plain text."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable
from typing import TextIO

import click
from openai import omit
from openai.types.responses.response_prompt_param import Variables

from cli.exit_codes import USAGE, Stop
from cli.json_line import print_json
from cli.server import Server, asks_server, wire
from cli.watch import follow


@click.command()
@click.argument("prompt", required=False)
@click.argument("variables", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--input", "text", help="Text to send; `-` reads it from stdin.")
@click.option("--file", "files", type=click.File(encoding="utf-8"), multiple=True, help="A file with text to send.")
@click.option("--model", help="The model, when it is not to be the server's own choice.")
@click.option("--follow", "follows", is_flag=True, help="Print the text as it is written.")
@click.option("--json", "as_json", is_flag=True, help="Print the job, or with --follow its events, one a line.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds to follow at most.")
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
    click.echo(server.page(job["id"]), err=True)
    if follows:
        follow(server, job, as_json=as_json, timeout=timeout)
    print_json(job) if as_json else click.echo(job["id"])


def _variables(words: Iterable[str]) -> dict[str, Variables]:
    variables: dict[str, Variables] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise Stop(f"{word!r} is not a variable: write name=value", USAGE)
        variables[name] = value
    return variables


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
