"""`penstock db`: what is done on the database itself, with no server between."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import click
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from cli.exit_codes import DONE, FAILED, CommandError
from cli.launch.data_directory import load_settings, make_private
from jobs.settings import Settings
from jobs.storage.audit import audit
from jobs.storage.database import Database, reason
from jobs.storage.lists.counts import count_differences
from jobs.storage.search.catch_up import index_some
from jobs.storage.transfer.backup import back_up
from jobs.storage.transfer.copy import claim_target, comparisons, copy_rows, release_target
from jobs.storage.versions.check import NO_DATABASE, version_fault
from jobs.storage.versions.migrate import revisions, upgrade

# How often a long copy says how far it is.
_TOLD_SECONDS = 5.0


def newest_database() -> Database:
    """The database of the settings, brought to the newest version."""
    settings = load_settings()
    make_private(settings.data)
    upgrade(settings)
    return Database(settings.database)


def _current_database(settings: Settings) -> Settings:
    """The same settings, of which the database is there and of today's version. Raises CommandError."""
    current, newest = revisions(settings)
    if fault := NO_DATABASE if current is None else version_fault(current, newest, settings):
        raise CommandError(fault)
    return settings


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
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Copy the database into FILE, while Penstock runs. To restore it, put FILE where the database was."""
    url = make_url(_current_database(load_settings()).database)
    if url.get_backend_name() != "sqlite":
        address = url.set(drivername="postgresql", password=None).render_as_string()
        command = shlex.join(["pg_dump", "--format=custom", f"--file={file}", address])
        raise CommandError(f"the database is PostgreSQL's, which has a program for that: {command}")
    if file.exists():
        raise CommandError(f"{file} is there already: name a new file")
    os.umask(0o077)  # what people asked and read is theirs
    back_up(Path(url.database or ""), file)
    click.echo(f"{file} holds the database, {file.stat().st_size:,} bytes", err=True)


@db.command()
def check() -> None:
    """Read every ended job again: its events, text, status and checksum must agree, and the counts of jobs.

    Exit code 1 when some do not.
    """
    database = Database(_current_database(load_settings()).database)
    checked = wrong = 0
    for job_id, differing in audit(database):
        checked += 1
        if differing:
            wrong += 1
            click.echo(f"{job_id}  {', '.join(differing)}")
    differences = list(count_differences(database))
    click.echo("".join(f"{difference}\n" for difference in differences), nl=False)
    click.echo(f"{checked} jobs checked, {wrong} wrong", err=True)
    raise click.exceptions.Exit(FAILED if wrong or differences else DONE)


@db.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    """Copy everything from one database into an empty one, of SQLite or PostgreSQL, both named by URL.

    End Penstock first. A copy that was interrupted goes on when it is called again. All rows are compared in the end.
    """
    os.umask(0o077)
    settings = load_settings()
    from_database = Database(_current_database(settings.model_copy(update={"database_url": source})).database)
    to_settings = settings.model_copy(update={"database_url": target})
    to_database = Database(to_settings.database)
    try:
        claim_target(to_database, from_database)
        upgrade(to_settings)
        _copy_rows(from_database, to_database)
        differing = list(_report_comparisons(from_database, to_database))
    except SQLAlchemyError as error:
        raise CommandError(f"{reason(error)}: what is copied is kept, call it again", FAILED) from error
    if differing:
        raise CommandError(
            f"{', '.join(differing)}: not the same in both. Something wrote into one of them meanwhile: end Penstock,"
            " empty TO, and copy again",
            FAILED,
        )
    release_target(to_database)
    click.echo("the copy is whole: name it by PENSTOCK_DATABASE_URL from now on", err=True)


def _copy_rows(source: Database, target: Database) -> None:
    told = time.monotonic()
    for table, count in copy_rows(source, target):
        if time.monotonic() - told >= _TOLD_SECONDS:
            told = time.monotonic()
            click.echo(f"{table}: {count:,} rows", err=True)


def _report_comparisons(source: Database, target: Database) -> Iterator[str]:
    """Print each table's rows and checksum; the names of those that differ."""
    for table, here, there in comparisons(source, target):
        same = here == there
        click.echo(
            f"{table:<16} {here[0]:>9,} rows  {here[1]}" + (f", but {there[0]:,} and {there[1]}" if not same else "")
        )
        if not same:
            yield table
