"""`penstock db`: what is done on the database itself, with no server between."""

from __future__ import annotations

import click

from cli.exit_codes import DONE, FAILED, CommandError
from cli.launch.data_directory import load_settings, make_private
from jobs.storage.audit import audit
from jobs.storage.database import Database
from jobs.storage.migrate import revisions, upgrade
from jobs.storage.search.catch_up import index_some


def newest_database() -> Database:
    """The database of the settings, brought to the newest version."""
    settings = load_settings()
    make_private(settings.data)
    upgrade(settings)
    return Database(settings.database)


@click.group()
def db() -> None:
    """Look after the database."""


@db.command("upgrade")
def upgrade_database() -> None:
    """Bring the database to the newest version; a SQLite file is copied first."""
    database = newest_database()
    click.echo("the database is at its newest version", err=True)
    indexed = 0
    while count := index_some(database, seconds=2):
        indexed += count
        click.echo(f"{indexed} jobs of before can be searched", err=True)


@db.command()
def check() -> None:
    """Read every ended job again: its events, text, status and checksum must agree. Exit code 1 when some do not."""
    settings = load_settings()
    current, newest = revisions(settings)
    if current != newest:
        raise CommandError(f"the database is not at version {newest}: run `penstock db upgrade`")
    checked = wrong = 0
    for job_id, differing in audit(Database(settings.database)):
        checked += 1
        if differing:
            wrong += 1
            click.echo(f"{job_id}  {', '.join(differing)}")
    click.echo(f"{checked} jobs checked, {wrong} wrong", err=True)
    raise click.exceptions.Exit(FAILED if wrong else DONE)
