"""`penstock db`: looking after the database."""

from __future__ import annotations

import click

from cli.data_directory import load_settings, make
from jobs.database import upgrade


@click.group()
def db() -> None:
    """Look after the database."""


@db.command("upgrade")
def upgrade_database() -> None:
    """Bring the database to the newest version; a SQLite file is copied first."""
    settings = load_settings()
    make(settings.data)
    upgrade(settings)
    click.echo("the database is at its newest version", err=True)
