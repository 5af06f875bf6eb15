"""The command `penstock`: its subcommands, each imported when it is called: `--help` answers at once."""

from __future__ import annotations

import os
import sys
import tomllib
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import click

from cli.exit_codes import BROKEN_PIPE, INTERRUPTED, USAGE, CommandError
from cli.explained import explained
from jobs.errors import PenstockError


@cache
def commands() -> dict[str, list[str]]:
    """Where each subcommand lives, and its line in the help, by its name."""
    return tomllib.loads(Path(__file__).with_name("commands.toml").read_text(encoding="utf-8"))


class Commands(click.Group):
    """The group of all subcommands, and the one place where errors become a line and an exit code."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(commands())

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A subcommand as far as help and completion need it; None when there is none of that name."""
        return click.Command(cmd_name, short_help=commands()[cmd_name][1]) if cmd_name in commands() else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Import the subcommand that is called; the others stay stubs. One that is misspelt is told its near name."""
        if args[0] not in commands() and (near := get_close_matches(args[0], commands(), 1)):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        name, command, rest = super().resolve_command(ctx, args)
        return name, explained(resolve_name(commands()[name][0]), name) if name and command else None, rest

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """A flag where a command should stand means `up`, unless it is one of our own."""
        own = {name for option in self.get_params(ctx) for name in option.opts}
        return super().parse_args(
            ctx, ["up", *args] if args and args[0].startswith("-") and not own & {args[0]} else args
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand. A reader of stdout that left is no error: the shell sees what SIGPIPE gives."""
        try:
            return super().invoke(ctx)
        except PenstockError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.code if isinstance(error, CommandError) else USAGE)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            # Not SIG_DFL for SIGPIPE: that would also kill us, silently, when a server closes its socket.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(BROKEN_PIPE)


@click.command("penstock", Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="penstock")
def main() -> None:
    """Long language model generations as background jobs: live, resumable, kept."""


if __name__ == "__main__":
    main()
