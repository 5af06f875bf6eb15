"""The single processes of a deployment. Each command becomes its process: no parent stays behind."""

from __future__ import annotations

import os
import stat
import sys
from typing import NoReturn

import click

from cli.exit_codes import CommandError
from cli.launch.data_directory import load_settings, make_private
from cli.launch.listening import listen
from jobs.dangerous_settings import refuse_dangerous
from jobs.settings import Settings, child_environment

# A safe path: a user's worker.py or jobs.py in the current folder must not be run in place of ours.
MODULE = (sys.executable, "-P", "-m")
WEB = (*MODULE, "web", "-c", "python:web.gunicorn", "web.app:create_app()", "--bind")
WORKER = (*MODULE, "worker")
DEMO_MODEL = (*MODULE, "demo_model")
PORT = click.IntRange(0, 65535)

_passes_on = {"ignore_unknown_options": True, "allow_extra_args": True}


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=PORT, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes that share it.")
@click.option("--fd", type=int, help="Serve on this inherited socket instead.")
def web(host: str, port: int, workers: int, fd: int | None) -> None:
    """Run one web server: the API and the pages."""
    settings = load_settings()
    if fd is None:
        refuse_dangerous(settings, [host])
        # Bound here, so that a port in use is one line; the process that this one becomes inherits it.
        fd = listen(host, port).socket.detach()
        os.set_inheritable(fd, True)  # noqa: FBT003  (what its name says)
    elif not _is_socket(fd):
        raise CommandError(f"--fd {fd}: no socket was handed over under that number")
    _become([*WEB, f"fd://{fd}", "--workers", str(workers)], settings)


@click.command(context_settings=_passes_on)
@click.argument("celery_arguments", nargs=-1, type=click.UNPROCESSED)
def worker(celery_arguments: tuple[str, ...]) -> None:
    """Run one worker. CELERY_ARGUMENTS are passed on to `celery worker`."""
    _become([*WORKER, *celery_arguments], load_settings())


@click.command(context_settings=_passes_on)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def demo_model(arguments: tuple[str, ...]) -> None:
    """Run the offline demo model. ARGUMENTS are passed on to it."""
    _become([*DEMO_MODEL, *arguments], load_settings())


def _is_socket(fd: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False


def _become(argv: list[str], settings: Settings) -> NoReturn:
    make_private(settings.data)
    os.execve(argv[0], argv, child_environment(PENSTOCK_DATA=str(settings.data)))  # noqa: S606 - no shell wanted
