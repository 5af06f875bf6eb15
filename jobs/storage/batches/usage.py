"""What a batch has cost so far: added up as its lines end, so that nobody who asks sums up fifty thousand rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, update

from jobs.storage.batches.tables import batches


def add_usage(connection: Connection, batch_id: str, usage: Mapping[str, Any]) -> None:
    """Add an ended line's tokens to its batch, inside the transaction that ends it: each counts once."""
    added = {
        "input_tokens": usage["input_tokens"],
        "cached_tokens": usage["input_tokens_details"]["cached_tokens"],
        "output_tokens": usage["output_tokens"],
        "reasoning_tokens": usage["output_tokens_details"]["reasoning_tokens"],
    }
    sums = {name: batches.c[name] + tokens for name, tokens in added.items()}
    connection.execute(update(batches).where(batches.c.id == batch_id).values(sums))


def usage_of(row: RowMapping) -> dict[str, Any] | None:
    """A batch's usage as OpenAI's object has it; None for one from before it was counted."""
    if row["input_tokens"] is None:
        return None
    return {
        "input_tokens": row["input_tokens"],
        "input_tokens_details": {"cached_tokens": row["cached_tokens"]},
        "output_tokens": row["output_tokens"],
        "output_tokens_details": {"reasoning_tokens": row["reasoning_tokens"]},
        "total_tokens": row["input_tokens"] + row["output_tokens"],
    }
