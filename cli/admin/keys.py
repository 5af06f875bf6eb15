"""`penstock keys`: who may ask a server, and how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from cli.admin.database import newest_database
from cli.exit_codes import NOT_FOUND, CommandError
from jobs.limits import HIGHEST_LIMIT, LIMIT_NAMES, OwnerLimits
from jobs.storage.access.api_keys import ApiKeys
from jobs.storage.access.owner_limits import LimitRegistry

_UNSET = "default"
_OWNER_CHARACTERS = 64
_Changes = dict[str, int | None]


def _parsed(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> _Changes:
    changes: _Changes = {}
    for value in values:
        name, _, number = value.partition("=")
        if name not in LIMIT_NAMES:
            raise click.BadParameter(f"{name!r} is no limit: there are {', '.join(LIMIT_NAMES)}")
        if number == _UNSET:
            changes[name] = None
        elif number.isascii() and number.isdigit() and len(number) <= len(str(HIGHEST_LIMIT)):
            changes[name] = min(int(number), HIGHEST_LIMIT)
        else:
            raise click.BadParameter(f"{name} has to be a number, 0 for any, or {_UNSET!r}; not {number[:50]!r}")
    return changes


def _named(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not value.strip() or not value.isprintable() or len(value) > _OWNER_CHARACTERS:
        raise click.BadParameter(f"a name has 1 to {_OWNER_CHARACTERS} characters that can be printed")
    return value


def _limit_option(**options: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    help_text = f"Of the owner, whatever the key: {', '.join(LIMIT_NAMES)}. 0 is any number, '{_UNSET}' the server's."
    return click.option(
        "--limit", "limits", metavar="NAME=N", multiple=True, callback=_parsed, help=help_text, **options
    )


@click.group()
def keys() -> None:
    """Manage the API keys of a server that runs with PENSTOCK_AUTH=keys."""


@keys.command()
@click.argument("owner", callback=_named)
@_limit_option()
def create(owner: str, limits: _Changes) -> None:
    """Print a new key for OWNER. It is shown this once; the database has only its hash."""
    database = newest_database()
    if limits:
        _told(owner, LimitRegistry(database, OwnerLimits()).change(owner, limits))
    click.echo(ApiKeys(database).create(owner))


@keys.command("limit")
@click.argument("owner", callback=_named)
@_limit_option(required=True)
def limit_owner(owner: str, limits: _Changes) -> None:
    """Change what OWNER may have, with all keys together; it holds within seconds."""
    _told(owner, LimitRegistry(newest_database(), OwnerLimits()).change(owner, limits))


@keys.command("list")
def list_keys() -> None:
    """List the keys, without their secrets, and the limits that differ from the server's settings."""
    database = newest_database()
    overrides = LimitRegistry(database, OwnerLimits()).overrides()
    for key in ApiKeys(database).list():
        created = datetime.fromtimestamp(key.created_at, UTC)
        limits = _words(overrides.get(key.owner, {}))
        line = f"{key.id}  {created:%Y-%m-%d}  {'revoked' if key.revoked_at else 'good':7}  {key.owner}"
        click.echo(f"{line}  {limits}" if limits else line)


@keys.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """End a key at once. KEY_ID is what `list` shows."""
    if not ApiKeys(newest_database()).revoke(key_id):
        raise CommandError(f"there is no key {key_id} that is still good: see `penstock keys list`", NOT_FOUND)


def _told(owner: str, own: Mapping[str, int]) -> None:
    click.echo(f"limits of {owner}: {_words(own) or 'those of the settings'}", err=True)


def _words(own: Mapping[str, int]) -> str:
    return " ".join(f"{name}={number}" for name, number in own.items())
