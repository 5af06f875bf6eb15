"""What the help of every command shows beside its own words: defaults, variables, examples."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click


def examples() -> dict[str, list[str]]:
    """Examples of each command, by its words: `db backup`."""
    return tomllib.loads(Path(__file__).with_name("examples.toml").read_text(encoding="utf-8"))


def explained(command: click.Command, words: str) -> click.Command:
    """The command, and those in it, with what their help is to show; `words` is how it is called."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            explained(inner, f"{words} {name}")
        return command
    for option in command.params:
        if isinstance(option, click.Option):
            option.show_default = not option.is_flag if option.show_default is None else option.show_default
            option.show_envvar = True
    if lines := examples().get(words):
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
    return command
