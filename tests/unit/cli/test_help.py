"""The help of every command: its examples can be run, and it shows defaults and variables."""

from __future__ import annotations

import shlex

import click
import pytest

from cli.explained import examples
from cli.main import main
from tests.documents.commands import all_commands

COMMANDS = dict(all_commands())


def test_every_command_has_examples() -> None:
    assert set(examples()) == set(COMMANDS)


@pytest.mark.parametrize(("words", "line"), [(words, line) for words, lines in examples().items() for line in lines])
def test_an_example_is_what_the_command_takes(words: str, line: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    _, _, called = line.replace('eval "$(', "").partition("penstock ")
    called = called.partition(" | ")[0].partition(" > ")[0].replace(')"', "")
    assert called.startswith(words)
    arguments = shlex.split(called)[len(words.split()) :]
    # Files that it names are not there: whether they are is no matter of the syntax.
    COMMANDS[words].make_context(words, arguments, resilient_parsing=True)
    options = {name for option in COMMANDS[words].params for name in option.opts}
    if not COMMANDS[words].ignore_unknown_options:
        assert {word.split("=")[0] for word in arguments if word.startswith("-")} <= options


@pytest.mark.parametrize("words", COMMANDS)
def test_help_shows_defaults_variables_and_examples(words: str) -> None:
    command = COMMANDS[words]
    with click.Context(command, info_name=words, parent=click.Context(main)) as context:
        shown = " ".join(command.get_help(context).split())
    for option in command.params:
        if isinstance(option, click.Option) and option.envvar:
            assert f"env var: {option.envvar}" in shown
        if isinstance(option, click.Option) and isinstance(option.default, int | str) and not option.is_flag:
            assert f"default: {option.default}" in shown
    for line in examples()[words]:
        assert " ".join(line.split()) in shown
