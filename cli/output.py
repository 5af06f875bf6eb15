"""What the client commands print of a job: its text, or JSON."""

from __future__ import annotations

import json
import sys

import click

# A model must not be able to drive the terminal: of the control characters, only line feed and tab pass.
_CONTROLS = dict.fromkeys({*range(32), *range(127, 160)} - {ord("\n"), ord("\t")})
# Line ends to many readers (Python's splitlines is one), though not to JSON.
_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\u0085\u2028\u2029"}

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


def print_text(text: str, *, err: bool = False) -> None:
    """Print what a model has written, unchanged unless a terminal shows it."""
    terminal = (sys.stderr if err else sys.stdout).isatty()
    click.echo((text.translate(_CONTROLS) if terminal else text).encode(), nl=False, err=err)


def print_json(value: object) -> None:
    """Print a JSON value as exactly one line, whatever text is in it."""
    click.echo(json.dumps(value, ensure_ascii=False).translate(_LINE_ENDS).encode())
