"""A job as the templates show it: its text, rendered, and the state beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson
import redis

from jobs.filing import labels_in
from jobs.job import Job
from web.actions.reports.report_sections import sections_of
from web.context import WebContext
from web.live.job_state import JobState
from web.live.live_page import LivePage
from web.live.rendered_item import RenderedItem, finished, safe
from web.pages.live_stream import labels
from web.pages.reports.source_parts import source_parts
from web.pages.titles import title
from web.snapshot import snapshot

_HEADING = re.compile(r"\s*<h1[^>]*>(.*?)</h1>", re.DOTALL)
# How long a page waits for its text to be read from the log; its stream brings what is missing then.
_READ_SECONDS = 1.0


def job_view(context: WebContext, job: Job) -> dict[str, Any]:
    """What the templates need of a job now: its `state`, its `rendered_items`, its stream's `cursor` and `blocks`."""
    if job.response is None:
        items, state, cursor, blocks = running_items(context, job)
    else:
        items = rendered_items(context, job)
        job_state = JobState.of(context.outlook, job)
        state = job_state.page_state([item.summary for item in items]) | {"silent": 0, "elapsed": job_state.elapsed()}
        cursor, blocks = "", {}
    planned = bool(job.request.plan)
    name = title(job)
    return {
        "job": job,
        "title": name,
        "labels_of_job": labels_in(job.labels or ""),
        "named_twice": _begins_with(items, name),
        "ended": job.response is not None,
        "retried_by": context.store.retried_by(job.owner, job.id) if job.response is not None else None,
        "planned": planned,
        "state": state,
        "rendered_items": items,
        "labels": {item.summary["id"]: labels(item.summary, planned=planned) for item in items},
        "cursor": cursor,
        "blocks": blocks,
        "is_local": context.settings.auth == "off",
        "source_parts": source_parts(context, job),
        "rewritable": sections.numbers if (sections := sections_of(job)) else (),
        "unwritten": _unwritten(job, items),
    }


def _unwritten(job: Job, items: Sequence[RenderedItem]) -> list[dict[str, Any]]:
    """What an outline tells of the sections of an ended report of which there is no text."""
    if not job.request.plan or job.response is None:
        return []
    written = {item.summary["section"] for item in items if item.summary["type"] == "message"}
    sections = orjson.loads(job.response)["penstock"].get("progress", {}).get("sections", [])
    return [section for section in sections if section["title"] and section["section"] not in written]


def _begins_with(items: Sequence[RenderedItem], name: str) -> bool:
    """Whether the text begins with a heading that is the job's title."""
    first = next((item.html for item in items if item.summary["type"] == "message" and item.again is None), "")
    heading = _HEADING.match(first)
    return heading is not None and safe(heading[1]).striptags().casefold() == name.casefold()


def rendered_items(context: WebContext, job: Job) -> list[RenderedItem]:
    """The text of a job as if it ended now; rendered once if it has ended."""
    if job.response is None:
        return context.rendering.run(finished, snapshot(context, job))
    response = job.response
    return context.rendered_jobs.get(job.id, lambda: context.rendering.run(lambda: finished(orjson.loads(response))))


def running_items(context: WebContext, job: Job) -> tuple[list[RenderedItem], dict[str, Any], str, dict[int, int]]:
    """The items of a running job as far as they are rendered, and with them what `job_view` tells of it."""
    with context.live_pages.watch(job) as live_page:
        with suppress(redis.RedisError):  # without it, what this process has read of the job
            live_page.reach(context.log.tails([job.id])[0], _READ_SECONDS)
        return _visible(live_page)


def _visible(live_page: LivePage) -> tuple[list[RenderedItem], dict[str, Any], str, dict[int, int]]:
    page_snapshot = live_page.snapshot()
    state = dict(page_snapshot.state.values)
    texts = live_page.texts(page_snapshot)
    replaced = {item["replaces"]: item["reason"] or "" for item in state["items"] if item["replaces"]}
    items = []
    for summary in state["items"]:
        html, tail = texts.get(summary["index"], ("", ""))
        items.append(RenderedItem(summary, safe(html), safe(tail), replaced.get(summary["id"])))
    return items, state, live_page.cursor(page_snapshot), live_page.counts(page_snapshot)
