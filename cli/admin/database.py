"""`penstock keys` and `penstock db`: what is done on the database itself, with no server between."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from cli.exit_codes import DONE, FAILED, NOT_FOUND, CommandError
from cli.launch.data_directory import load_settings, make_private
from jobs.storage.access.api_keys import ApiKeys
from jobs.storage.audit import audit
from jobs.storage.database import Database
from jobs.storage.migrate import revisions, upgrade


def _newest() -> Database:
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
    _newest()
    click.echo("the database is at its newest version", err=True)


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


@click.group()
def keys() -> None:
    """Manage the API keys of a server that runs with PENSTOCK_AUTH=keys."""


@keys.command()
@click.argument("owner")
def create(owner: str) -> None:
    """Print a new key for OWNER. It is shown this once; the database has only its hash."""
    click.echo(ApiKeys(_newest()).create(owner))


@keys.command("list")
def list_keys() -> None:
    """List the keys, without their secrets."""
    for key in ApiKeys(_newest()).list():
        created = datetime.fromtimestamp(key.created_at, UTC)
        click.echo(f"{key.id}  {created:%Y-%m-%d}  {'revoked' if key.revoked_at else 'good':7}  {key.owner}")


@keys.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """End a key at once. KEY_ID is what `list` shows."""
    if not ApiKeys(_newest()).revoke(key_id):
        raise CommandError(f"there is no key {key_id} that is still good: see `penstock keys list`", NOT_FOUND)
