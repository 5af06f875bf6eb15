"""`penstock prompts`: which prompts there are on this machine, what each asks for, and what is wrong with a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cli.admin.prompt_files import edit, new, try_prompt
from cli.client.completions import prompt_ids
from cli.client.output import as_json, print_json
from cli.exit_codes import USAGE, CommandError
from cli.launch.data_directory import load_settings
from jobs.errors import BadSetting
from jobs.requests.prompt_folder import Prompts
from jobs.requests.prompts import read_prompt


@click.group()
def prompts() -> None:
    """Look at prompts, the built-in ones and those in the folder PENSTOCK_PROMPTS; make, change and try your own."""


prompts.add_command(new)
prompts.add_command(edit)
prompts.add_command(try_prompt)


@prompts.command("list")
@as_json
def list_prompts(as_json: bool) -> None:
    """List the prompts: id, version, title."""
    for prompt in Prompts(load_settings().prompts):
        line = f"{prompt.id:<12}  {prompt.revision:<10}  {' / '.join(prompt.title.values())}"
        print_json(prompt.model_dump(mode="json")) if as_json else click.echo(line)


@prompts.command()
@click.argument("prompt_id", metavar="ID", shell_complete=prompt_ids)
@as_json
def show(prompt_id: str, as_json: bool) -> None:
    """Print what a prompt is for, its variables, and its messages in each language."""
    prompt = Prompts(load_settings().prompts).get(prompt_id, None)
    if as_json:
        print_json(prompt.model_dump(mode="json"))
        return
    click.echo("\n".join([f"{prompt.id} {prompt.version}", *prompt.title.values(), *prompt.description.values()]))
    required = prompt.inputs.get("required", ())
    for name, schema in prompt.inputs["properties"].items():
        click.echo(f"\n{name}: {_expected(schema, required=name in required)}")
    for language, messages in prompt.messages.items():
        for message in messages:
            click.echo(f"\n[{language}, {message.role}]\n{message.content}")


def _expected(schema: Mapping[str, Any], *, required: bool) -> str:
    """What a variable may be, in the words of its JSON schema."""
    limits = {name: value for name, value in schema.items() if name not in ("type", "title", "description")}
    words = [f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in limits.items()]
    return ", ".join([str(schema.get("type", "anything")), *(["required"] if required else []), *words])


@prompts.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
def lint(files: tuple[Path, ...]) -> None:
    """Check prompt files, those in PENSTOCK_PROMPTS if none is named. Exit code 2 when one is bad."""
    if not files:
        folder = load_settings().prompts
        if folder is None or not folder.is_dir():
            raise CommandError("nothing to check: name a file, or the folder of your prompts in PENSTOCK_PROMPTS")
        files = tuple(sorted(folder.glob("*.toml")))
    good = 0
    for file in files:
        try:
            read_prompt(file).import_runnable()
            good += 1
        except BadSetting as error:
            click.echo(error)
    click.echo(f"{good} prompts are good", err=True)
    if good < len(files):
        raise click.exceptions.Exit(USAGE)
