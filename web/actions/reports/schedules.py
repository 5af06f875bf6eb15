"""What API and page do with schedules alike: one is made, and run beside its times."""

from __future__ import annotations

import time
from typing import Any

import orjson
from sqlalchemy import RowMapping

from jobs.errors import InvalidRequest
from jobs.filing import LABELS, joined, labels_in
from jobs.job import Job
from jobs.requests.generation import CreateRequest, parse, validated
from jobs.schedules.timing import check_fields, next_times
from jobs.schedules.wish import ScheduleWish, body_at, request_of
from jobs.storage.schedules.schedules import Schedules
from web.actions.submit import submit
from web.context import WebContext

_SHOWN_TIMES = 5


def create_schedule(context: WebContext, owner: str, wish: ScheduleWish) -> RowMapping:
    """A new schedule, whose runs have its name as a label. Raises InvalidRequest, also for what could not be run."""
    context.admission.check_create(owner)
    check_fields(wish.cron)
    times = next_times(wish.cron, wish.timezone, time.time())
    metadata = validated(CreateRequest, {**wish.request, "background": True}).metadata or {}
    labels = joined(labels_in(f"{metadata.get(LABELS, '')}, {wish.name}"))
    request = {**wish.request, "metadata": {**metadata, LABELS: labels}}
    model = _default_model(context)
    request_of(body_at(request, times[0], wish.timezone), context.prompts, model, context.settings.models)
    values = {"name": wish.name, "cron": wish.cron, "timezone": wish.timezone, "model": model}
    return Schedules(context.database).create(owner, values, request)


def run_now(context: WebContext, owner: str, schedule_id: str, key: str | None = None) -> Job:
    """A run beside its times, also of one that is paused; the same `key` again makes no other.

    Raises NotFound, InvalidRequest, LimitReached.
    """
    schedules = Schedules(context.database)
    row = schedules.get(owner, schedule_id)
    create = parse(body_at(orjson.loads(row["request"]), time.time(), row["timezone"]))
    job = submit(context, owner, create, idempotency_key=key)
    schedules.ran_now(owner, schedule_id, job.id)
    return job


def shown(row: RowMapping) -> dict[str, Any]:
    """A schedule on the wire, with its next five times; none while it is paused."""
    times = [] if row["paused"] else next_times(row["cron"], row["timezone"], row["due_at"] - 1, _SHOWN_TIMES)
    return {
        **{name: row[name] for name in ("id", "name", "cron", "timezone", "paused", "failures", "problem")},
        "object": "schedule",
        "created_at": int(row["created_at"]),
        "request": orjson.loads(row["request"]),
        "next_runs": [int(moment) for moment in times],
        "last_response_id": row["job_id"],
    }


def _default_model(context: WebContext) -> str | None:
    try:
        return context.models.default()
    except InvalidRequest:
        return None
