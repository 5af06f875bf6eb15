"""`penstock prompts new`, `edit` and `try`: files of your own, made, changed and tried before a job uses them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from openai import omit

from cli.client.completions import prompt_ids
from cli.client.jobs import named_values
from cli.client.output import print_text
from cli.client.server import Server, asks_server, wire
from cli.client.watch import View, follow
from cli.exit_codes import CommandError
from cli.launch.data_directory import load_settings
from jobs.errors import BadSetting, InvalidRequest
from jobs.requests.prompt_folder import Prompts
from jobs.requests.prompts import Prompt, RenderedPrompt, read_prompt

_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_ID_LINE = re.compile(r"(?m)^id\s*=.*$")
_NEW = """\
id = ""
version = "1"

[title]
en = "TITLE"

[description]
en = "What it writes"

# The variables, a JSON schema: the form on the page is made from it.
[inputs]
type = "object"
required = ["topic"]

[inputs.properties.topic]
type = "string"
title = "Topic"
maxLength = 2000

# What the model is told; {{topic}} is the variable.
[[messages.en]]
role = "user"
content = "Write about {{topic}}."
"""


@click.command()
@click.argument("prompt_id", metavar="ID")
@click.option("--from", "origin", metavar="ID", shell_complete=prompt_ids, help="Begin with a copy of this prompt.")
def new(prompt_id: str, origin: str | None) -> None:
    """Make a prompt file in the folder PENSTOCK_PROMPTS, and print its path."""
    if not _ID.fullmatch(prompt_id):
        raise CommandError(f"{prompt_id!r} is no id: it has small letters, digits, _ and -, and begins with a letter")
    path = _folder() / f"{prompt_id}.toml"
    if path.exists():
        raise CommandError(f"{path} is there already: penstock prompts edit {prompt_id}")
    text = _found(origin).path.read_text("utf-8") if origin else _NEW.replace("TITLE", prompt_id.capitalize())
    _keep(path, _ID_LINE.sub(f'id = "{prompt_id}"', text, count=1))
    click.echo(path)


@click.command()
@click.argument("prompt_id", metavar="ID", shell_complete=prompt_ids)
def edit(prompt_id: str) -> None:
    """Change a prompt in $EDITOR; of a built-in one a copy in your folder, which takes its place.

    The next job uses it, without a restart. A file that is bad is not taken: your text is kept beside it, and the next
    `edit` goes on with that.
    """
    path = _path_of(prompt_id)
    draft = _draft(path)
    before = draft if draft.exists() else _found(prompt_id).path
    text = click.edit(before.read_text("utf-8"), extension=".toml")
    if text is None:
        raise CommandError("nothing was changed")
    _keep(path, text)
    click.echo(f"{path}: jobs use {read_prompt(path).revision} from now on", err=True)


@click.command("try")
@click.argument("name", metavar="ID|FILE", shell_complete=prompt_ids)
@click.argument("variables", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--send", is_flag=True, help="Ask the model, and print what it answers.")
@asks_server
def try_prompt(server: Server, *, name: str, variables: tuple[str, ...], send: bool) -> None:
    """Print what a prompt tells the model for these variables; with --send also what the model answers.

    Of a prompt that plans, that is the question for its plan; what it asks for each section is printed with its blanks.
    """
    prompt = read_prompt(Path(name)) if name.endswith(".toml") else _found(name)
    try:
        rendered = prompt.render(named_values(variables))
    except InvalidRequest as error:
        raise CommandError(str(error)) from error
    if not send:
        print_text("".join(_lines(rendered)))
        return
    asked: Any = list(rendered.messages)
    job = wire(server.openai.responses.create(input=asked, background=True, model=prompt.model or omit))
    follow(server, job, View(follows=True, as_json=False, timeout=None, notify=False))


def _lines(rendered: RenderedPrompt) -> Iterator[str]:
    yield from _messages("", rendered.messages)
    for step, messages in rendered.plan.items():
        yield from _messages(f"{step}, ", messages)


def _messages(step: str, messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for message in messages:
        yield f"[{step}{message['role']}]\n{message['content']}\n\n"


def _folder() -> Path:
    folder = load_settings().prompts
    if folder is None:
        raise CommandError("name the folder of your prompts first: PENSTOCK_PROMPTS=/srv/prompts")
    return folder


def _path_of(prompt_id: str) -> Path:
    """Where a prompt's own file is, or shall be: that which has it now, unless it is a built-in one."""
    folder, known = _folder(), _found(prompt_id).path
    return known if known.parent == folder else folder / f"{prompt_id}.toml"


def _found(prompt_id: str) -> Prompt:
    try:
        return Prompts(load_settings().prompts).get(prompt_id, None)
    except InvalidRequest as error:
        raise CommandError(str(error)) from error


def _draft(path: Path) -> Path:
    return path.with_name(f"{path.name}.draft")


def _keep(path: Path, text: str) -> None:
    """Put a file in its place if it is a good one. Raises CommandError, and leaves the text beside it, if not."""
    draft = _draft(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, "utf-8")
        read_prompt(draft).import_runnable()
        draft.replace(path)
    except BadSetting as error:
        raise CommandError(f"{error}; nothing else was changed, and your text is kept there") from error
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from error
