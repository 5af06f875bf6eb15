"""The response of a job at this moment: as it was stored if the job has ended, else folded from its log."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import redis

from jobs.job import Job
from jobs.protocol import events, headings
from jobs.protocol.fold import Fold, text_of
from jobs.protocol.progress import progress
from web.context import WebContext
from web.live.job_state import JobState


def snapshot(context: WebContext, job: Job) -> dict[str, Any]:
    """The response object. Without Redis, a running job has only what its row says."""
    if job.response is not None:
        stored: dict[str, Any] = orjson.loads(job.response)
        return {**stored, "metadata": job.metadata}
    fold = _folded(context, job)
    response = fold.response()
    penstock = {
        **response["penstock"],
        "attempt": job.attempt,
        **JobState.of(context.outlook, job).to_wire(progress(fold.items.values())),
        **headings.noted(job.request, text_of(response), whole=False),
    }
    return {**response, "status": job.status, "metadata": job.metadata, "penstock": penstock}


def _folded(context: WebContext, job: Job) -> Fold:
    fold = Fold()
    for frame in events.split(job.initial_frames):
        fold.feed(events.event_of(frame))
    if job.attempt:
        with suppress(redis.RedisError):
            for page in context.log.read(job.id, after=1):
                for _, frame in page:
                    fold.feed(events.event_of(frame))
    return fold
