"""`penstock up`: everything on this machine, kept alive until a signal ends it."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import click

from cli.data_directory import hold, load_settings
from cli.exit_codes import DONE, FAILED, INTERRUPTED
from cli.first_job import queue_first_job
from cli.house import House
from cli.interrupts import Interrupts
from cli.listening import Door, listen, refuse_open_door
from cli.supervisor import ChildFailed, Supervisor
from jobs.settings import Settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on; 0 takes any that is free.")
@click.option("--data", type=click.Path(path_type=Path), help="Data directory  [default: .penstock].")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
@click.option("--demo", is_flag=True, help="Use the offline demo model, whatever model server is set.")
@click.option("--verbose", "-v", is_flag=True, help="Show on stderr what the processes log.")
def up(*, host: str, port: int, data: Path | None, workers: int, demo: bool, verbose: bool) -> None:
    """Run everything on this machine: a private Redis, the workers and the web server.

    Without OPENAI_API_KEY and OPENAI_BASE_URL it also runs the offline demo model. Ctrl-C ends it in order.
    """
    settings = load_settings(data)
    settings = settings.model_copy(update={"demo": demo or settings.demo or not settings.names_a_model_server})
    refuse_open_door(host, settings.auth)
    with (
        Interrupts(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as interrupts,
        hold(settings.data),
        listen(host, port) as door,
        ExitStack() as resources,
        Supervisor(verbose=verbose) as supervisor,
    ):
        code = _run(House(settings, door, supervisor, resources), door, supervisor, interrupts, workers)
    raise click.exceptions.Exit(code)


def _run(house: House, door: Door, supervisor: Supervisor, interrupts: Interrupts, workers: int) -> int:
    """Keep it running until a signal or a failure; the exit code.

    A signal is how it is meant to end: that is 0, so that no process manager calls it a failure.
    """
    code = DONE
    try:
        house.start(workers)
        _announce(house.settings, door)
        supervisor.keep()
    except KeyboardInterrupt:
        interrupts.take()
        click.echo(
            f"\nstopping: running jobs have {house.settings.drain_seconds:g} s, then they wait for the next "
            "start; once more to end at once",
            err=True,
        )
    except ChildFailed as failure:
        code = FAILED
        click.echo("\n".join([*failure.tail, f"Error: {failure}"]), err=True)
    try:
        supervisor.stop()
    except KeyboardInterrupt:
        interrupts.take()
        return INTERRUPTED  # leaving the supervisor kills what still runs
    return code


def _announce(settings: Settings, door: Door) -> None:
    model = settings.model
    if settings.demo:
        model = f"{model}: the offline demo model (set OPENAI_BASE_URL or OPENAI_API_KEY to use a real one)"
    click.echo(f"Penstock is running.\n  model  {model}\n  data   {settings.data}", err=True)
    click.echo(f"  logs   {settings.data / 'logs'}\n  stop   Ctrl-C", err=True)
    if settings.demo and settings.auth == "off" and (page := queue_first_job(door)):
        click.echo(f"  now being written: {page}", err=True)
    click.echo(door.url)
