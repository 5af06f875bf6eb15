"""What the client commands print: a job's text, or JSON; for a person at a terminal, what they wait for."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.status import Status as Spinner

from cli.exit_codes import CommandError
from jobs.status.ended import details_of

# A model must not be able to drive the terminal: of the control characters, only line feed and tab pass.
_CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - {ord("\n"), ord("\t")})
# Line ends to many readers (Python's splitlines is one), though not to JSON.
_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\u0085\u2028\u2029"}

FORMATS = ("md", "json", "html", "docx", "pdf")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


def print_text(text: str, *, err: bool = False) -> None:
    """Print what a model has written, unchanged unless a terminal shows it."""
    terminal = (sys.stderr if err else sys.stdout).isatty()
    click.echo((text.translate(_CONTROLS) if terminal else text).encode(), nl=False, err=err)


def format_of(output: Path | None) -> str:
    """The format that a file's name asks for; Markdown unless it is one of the others."""
    suffix = output.suffix.removeprefix(".").lower() if output else ""
    return suffix if suffix in FORMATS else "md"


def write_file(output: Path | None, content: bytes) -> None:
    """Write to a file, or to stdout unless that is a terminal. Raises CommandError."""
    if output is None:
        if sys.stdout.isatty():
            raise CommandError("such a file is nothing for a terminal: name one with --output")
        click.echo(content, nl=False)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise CommandError(f"{output}: {error.strerror}") from error


def print_details(job: Mapping[str, Any]) -> None:
    """Say on stderr why a job waits, or how it ended, and beneath it what the provider said; nothing of a whole one."""
    details = details_of(job)
    if details.code != "completed":
        click.echo(f"{job['status'].replace('_', ' ')}: {one_line(details.sentence())}", err=True)
    if error := job.get("error"):
        click.echo(f"  {one_line(error['message'])}", err=True)


def one_line(text: str) -> str:
    """The text with no line ends and no other control characters, however it is shown."""
    return " ".join(text.translate(_CONTROLS).split())


def print_json(value: object) -> None:
    """Print a JSON value as exactly one line, whatever text is in it."""
    click.echo(json.dumps(value, ensure_ascii=False).translate(_LINE_ENDS).encode())


def spinner(words: str, *, shown: bool) -> Spinner:
    """A line on stderr that turns until it is stopped, and then is gone; only if `shown`, and on a terminal.

    Nothing may be printed to stdout before it is stopped.
    """
    # Given explicitly: with FORCE_COLOR in the environment rich would write into a pipe.
    return Console(stderr=True, force_terminal=shown and sys.stderr.isatty()).status(words)


def progress_bar() -> Progress:
    """A bar on stderr, on a terminal, that is gone at its end; none where stdout shows the progress itself."""
    hidden = sys.stdout.isatty() or not sys.stderr.isatty()
    return Progress(console=Console(stderr=True), transient=True, redirect_stdout=False, disable=hidden)
