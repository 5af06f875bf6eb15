"""`penstock keys`: who may use a server that runs with PENSTOCK_AUTH=keys. Works on the database itself."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from cli.data_directory import load_settings, make
from cli.exit_codes import NOT_FOUND, Stop
from jobs.database import Database, upgrade
from jobs.keys import Keys


@click.group()
def keys() -> None:
    """Manage API keys."""


def _keys() -> Keys:
    settings = load_settings()
    make(settings.data)
    upgrade(settings)
    return Keys(Database(settings.database))


@keys.command()
@click.argument("owner")
def create(owner: str) -> None:
    """Print a new key for OWNER. It is shown this once; the database has only its hash."""
    click.echo(_keys().create(owner))


@keys.command("list")
def list_keys() -> None:
    """List the keys, without their secrets."""
    for key in _keys().list():
        made = datetime.fromtimestamp(key.created_at, UTC)
        click.echo(f"{key.id}  {made:%Y-%m-%d}  {'revoked' if key.revoked_at else 'good':7}  {key.owner}")


@keys.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """End a key at once. KEY_ID is what `list` shows."""
    if not _keys().revoke(key_id):
        raise Stop(f"there is no key {key_id} that is still good: see `penstock keys list`", NOT_FOUND)
