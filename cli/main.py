"""The command `penstock`: its subcommands, each imported when it is called: `--help` answers at once."""

from __future__ import annotations

import os
import sys
from pkgutil import resolve_name
from typing import Any

import click

from cli.exit_codes import BROKEN_PIPE, INTERRUPTED, USAGE, Stop
from jobs.errors import PenstockError

# Name -> where it lives, and its line in the help: asking each module for the line would import them all.
COMMANDS = {
    "up": ("cli.up:up", "Run everything on this machine."),
    "submit": ("cli.jobs:submit", "Queue a job, and follow it if asked."),
    "watch": ("cli.watch:watch", "Follow a job's text, live or long after."),
    "list": ("cli.jobs:list_jobs", "List the newest jobs."),
    "show": ("cli.jobs:show", "Print what a job has written so far."),
    "cancel": ("cli.jobs:cancel", "Cancel a job; what it has written is kept."),
    "retry": ("cli.jobs:retry", "Queue an ended job again, as a new one."),
    "prompts": ("cli.prompts:prompts", "Look at prompts, and check your own."),
    "web": ("cli.processes:web", "Run one web server: the API and the pages."),
    "worker": ("cli.processes:worker", "Run one worker."),
    "demo-model": ("cli.processes:demo_model", "Run the offline demo model."),
    "keys": ("cli.database:keys", "Manage API keys."),
    "db": ("cli.database:db", "Look after the database."),
    "doctor": ("cli.doctor:doctor", "Find what is wrong with this machine's settings."),
    "completion": ("cli.completion:completion", "Print the completion script of a shell."),
}


class Commands(click.Group):
    """The group of all subcommands, and the one place where errors become a line and an exit code."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Import the subcommand that is called; of the others the name and the line are enough."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, resolve_name(COMMANDS[name][0]) if name and command else None, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand. A reader of stdout that left is no error: the shell sees what SIGPIPE gives."""
        try:
            return super().invoke(ctx)
        except PenstockError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.code if isinstance(error, Stop) else USAGE)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            # Not SIG_DFL for SIGPIPE: that would also kill us, silently, when a server closes its socket.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(BROKEN_PIPE)


_STUBS = {name: click.Command(name, short_help=line) for name, (_, line) in COMMANDS.items()}


@click.command("penstock", Commands, commands=_STUBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="penstock")
def main() -> None:
    """Long language model generations as background jobs: live, resumable, kept."""


if __name__ == "__main__":
    main()
