"""`penstock config`: each setting in force, and where it is made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
from pydantic import TypeAdapter

from cli.client.output import as_json, print_json
from cli.launch.data_directory import load_settings
from jobs.configuration.meanings import meanings
from jobs.secrets import Secrets
from jobs.settings import Settings

_HIDDEN = "(set)"


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--changed", is_flag=True, help="Only those that have not their default.")
@as_json
def config(names: tuple[str, ...], changed: bool, as_json: bool) -> None:
    """Print each setting, its value in force, and where it is made.

    NAME is a part of names, as in `config redis`; with one, also what the settings mean. Of secrets, only whether
    they are set is shown.
    """
    texts = {name: text for group in meanings().values() for name, text in group.items()}
    for field, name, value, origin in _in_force(load_settings()):
        if (names and not any(part.lower() in name.lower() for part in names)) or (changed and origin == "default"):
            continue
        if as_json:
            print_json({"name": name, "value": value, "origin": origin, "meaning": texts[field]})
            continue
        click.echo(f"{name:<34}  {_words(value)}  ({origin})")
        if names:
            click.echo(f"  {texts[field]}")


def _in_force(settings: Settings) -> Iterator[tuple[str, str, Any, str]]:
    """The field and the variable of each setting, its value as JSON has it, and where it is made."""
    origins = Settings.origins()
    secrets = Secrets(settings)
    for field, variable in Settings.variables().items():
        value = getattr(settings, field)
        if not Settings.model_fields[field].repr:
            value = _HIDDEN if value else ""
        elif isinstance(value, str):
            value = secrets.removed_from(value)
        else:
            value = _without_keys(TypeAdapter(Any).dump_python(value, mode="json"))
        origin = origins.get(field)
        yield field, variable, value, origin.place(field) if origin else "default"


def _without_keys(value: Any) -> Any:
    """The tables of model servers, of which the keys are not shown."""
    if not isinstance(value, dict):
        return sorted(value) if isinstance(value, list) else value
    return {name: _HIDDEN if name == "key" else _without_keys(inner) for name, inner in value.items()}


def _words(value: Any) -> str:
    """A value as a variable is set to it."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else "" if value in (None, {}) else json.dumps(value, ensure_ascii=False)
