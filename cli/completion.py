"""`penstock completion`: what makes a shell complete the commands and their options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL, for its start-up file.

    bash and zsh: eval "$(penstock completion bash)"; fish: penstock completion fish | source.
    """
    script = get_completion_class(shell)
    assert script
    click.echo(script(ctx.find_root().command, {}, "penstock", "_PENSTOCK_COMPLETE").source())
