"""One line of NDJSON on stdout: what `--json` prints."""

from __future__ import annotations

import json

import click

# Line ends to many readers (Python's splitlines is one), though not to JSON.
_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\u0085\u2028\u2029"}


def print_json(value: object) -> None:
    """Print a JSON value as exactly one line, whatever text is in it."""
    click.echo(json.dumps(value, ensure_ascii=False).translate(_LINE_ENDS).encode())
