"""Alembic's entry: runs the migrations on the connection that `jobs.storage.versions.migrate.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from jobs.storage.migrations.all_tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
