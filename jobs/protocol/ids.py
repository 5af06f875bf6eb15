"""Identifiers: a job's is time-ordered and unguessable, an item's follows from its job, section and run."""

from __future__ import annotations

import re
import secrets
import time

_JOB_ID = re.compile(r"resp_[0-9a-f]{40}")
_ITEM_ID = re.compile(r"[a-z]{2,3}_([0-9a-f]{40})_(?:in_)?[0-9_]+")


def new_job_id() -> str:
    """`resp_`, 12 hex digits of the time in ms (so that ids sort by age), 28 of randomness (112 bits)."""
    return f"resp_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(14)}"


def is_job_id(text: str) -> bool:
    """Whether `text` could be the id of a job of ours; anything else is never looked up."""
    return _JOB_ID.fullmatch(text) is not None


def item_id(prefix: str, job_id: str, section: int, run: int, call: int | None = None) -> str:
    """The id of the item that `run` number `run` of a section writes; `prefix` is `msg`, `rs` or `fc`.

    A `call` is one of several in the section, by its number from 0.

    A pure function, so that an attempt that lost both worker and log opens its item under the id that
    viewers already know.
    """
    place = f"{section}_{run}" if call is None else f"{section}_{call}_{run}"
    return f"{prefix}_{job_id.removeprefix('resp_')}_{place}"


def call_number(item_id: str) -> int:
    """The number of a call in its section, out of the id of its item."""
    return int(item_id.split("_")[-2])


def input_item_id(prefix: str, job_id: str, number: int) -> str:
    """The id of an item that a job was asked, of that number from 0."""
    return f"{prefix}_{job_id.removeprefix('resp_')}_in_{number}"


def job_of_item(item_id: str) -> str | None:
    """The id of the job that an item is of; None when it can be no item of ours."""
    found = _ITEM_ID.fullmatch(item_id)
    return f"resp_{found[1]}" if found else None
