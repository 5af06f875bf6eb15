"""Migrations that were released stay as they are: databases have been changed by them."""

from __future__ import annotations

import hashlib

from jobs.storage.versions.check import MIGRATIONS
from tests.support.up import ROOT

FROZEN = ROOT / "tests/data/migrations.sha256"


def test_migrations_are_those_that_databases_have_seen() -> None:
    frozen = {name: digest for digest, name in map(str.split, FROZEN.read_text().splitlines())}
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (MIGRATIONS / "versions").glob("[0-9]*.py")
    }
    changed = sorted(name for name, digest in frozen.items() if there.get(name) != digest)
    assert not changed, f"databases have been changed by {changed}: leave them, and write another migration behind them"
    added = sorted(set(there) - set(frozen))
    remedy = "`sha256sum NAME >> ../../../../tests/data/migrations.sha256` in jobs/storage/migrations/versions"
    assert not added, f"freeze {added}: {remedy}"
