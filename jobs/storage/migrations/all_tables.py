"""The metadata of all tables, which stand in the rooms that they are of."""

from __future__ import annotations

from jobs.storage.batches import tables as batch_tables
from jobs.storage.lists import labels as label_tables
from jobs.storage.schedules import tables as schedule_tables
from jobs.storage.schema import metadata
from jobs.storage.shares import tables as share_tables

__all__ = ["batch_tables", "label_tables", "metadata", "schedule_tables", "share_tables"]
