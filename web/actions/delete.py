"""Remove a job and all that belongs to it."""

from __future__ import annotations

from collections.abc import Collection

from web.actions.cancel import cancel
from web.context import WebContext

_CANCEL_SECONDS = 10.0


def delete(context: WebContext, owner: str, job_id: str, *, wait_seconds: float = _CANCEL_SECONDS) -> None:
    """Cancel the job if it runs, wait for that at most `wait_seconds`, then remove it. Raises JobNotFound.

    A worker that has not stopped by then finds its row gone and writes nothing more.
    """
    if not context.store.get(owner, job_id).status.is_terminal:
        cancel(context, owner, job_id, wait_seconds=wait_seconds)
    context.store.delete(owner, job_id)
    context.wakeups.deleted(job_id)


def delete_all(context: WebContext, owner: str, job_ids: Collection[str]) -> int:
    """Remove jobs without waiting for the end of any: what a worker still runs is fenced out. Returns how many."""
    removed = context.store.delete_all(owner, job_ids)
    for job_id in removed:
        context.wakeups.deleted(job_id)
    return len(removed)
