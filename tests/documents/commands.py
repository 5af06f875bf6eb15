"""docs/commands.md: every command as its help has it, and what exit codes mean."""

from __future__ import annotations

from collections.abc import Iterator
from pkgutil import resolve_name

import click

from cli import exit_codes
from cli.explained import explained
from cli.main import commands, main

_HEAD = """\
# Every command

<!-- Made from the commands themselves by `python -m tests.documents`. -->

`penstock COMMAND --help` says the same. Commands that take the ID of a job also take the beginning of one, or `last`.
Text goes to stdout, everything else to stderr; `--json` prints one object a line. `penstock completion bash` (or `zsh`,
`fish`) completes commands, options, ids of jobs and prompts.

| exit code | |
|---|---|
"""
_CODES = {
    "DONE": "done",
    "FAILED": "the job failed, or a check did",
    "USAGE": "the command, or a setting, is wrong: the line says how",
    "CANCELLED": "the job was cancelled",
    "AUTH": "no key, or one without access",
    "NOT_FOUND": "no such job, or it is not yours",
    "UNREACHABLE": "no server, or it refuses for now",
    "TIMEOUT": "the time of `--timeout` is over; the job goes on",
    "INTERRUPTED": "Ctrl-C; the job goes on",
    "BROKEN_PIPE": "the reader of stdout went away",
}
_WIDTH = 100


def commands_page() -> str:
    """The whole document."""
    codes = [f"| {getattr(exit_codes, name)} | {words} |\n" for name, words in _CODES.items()]
    sections = [
        f"\n## penstock {words}\n\n```text\n{_help(words, command)}\n```\n" for words, command in all_commands()
    ]
    return _HEAD + "".join(codes) + "".join(sections)


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Each command that does something, by the words by which it is called."""
    for name, (place, _) in commands().items():
        command = explained(resolve_name(place), name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", each) for inner, each in command.commands.items())
        else:
            yield name, command


def _help(words: str, command: click.Command) -> str:
    parent = click.Context(main, info_name="penstock", terminal_width=_WIDTH)
    with click.Context(command, info_name=words, parent=parent, terminal_width=_WIDTH) as context:
        return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
