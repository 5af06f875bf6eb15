"""A job's text and where it stands, as the templates show them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import redis

from jobs.job import Job
from jobs.protocol import events
from web.api import render
from web.context import WebContext
from web.live.job_state import JobState
from web.live.live_page import LivePage
from web.live.rendered_item import RenderedItem, finished, safe
from web.pages.titles import title

# How long a page waits for its text to be read from the log; its stream brings what is missing then.
_READ_SECONDS = 1.0


def job_view(context: WebContext, job: Job) -> dict[str, Any]:
    """What the templates need of a job now: its `state`, its `rendered_items`, and the `cursor` of its stream."""
    if job.response is None:
        found, state, cursor = _running(context, job)
    else:
        found, cursor = rendered_items(context, job), ""
        job_state = JobState(job)
        state = {
            **job_state.state([rendered_item.summary for rendered_item in found]),
            "silent": 0,
            "elapsed": job_state.elapsed(),
        }
    known = {"job": job, "title": title(job), "ended": job.response is not None}
    return {
        **known,
        "state": state,
        "rendered_items": found,
        "cursor": cursor,
        "is_local": context.settings.auth == "off",
    }


def rendered_items(context: WebContext, job: Job) -> list[RenderedItem]:
    """The text of a job as if it ended now; rendered once if it has ended."""
    if job.response is None:
        return finished(render.current(context, job))
    return context.lru_cache.get(job.id, lambda: finished(orjson.loads(job.response or b"")))


def _running(context: WebContext, job: Job) -> tuple[list[RenderedItem], dict[str, Any], str]:
    with context.live_pages.watch(job) as live_page:
        with suppress(redis.RedisError):  # without it, what this process has read of the job
            live_page.reach(context.log.tails([job.id])[0], _READ_SECONDS)
        return _seen(live_page)


def _seen(live_page: LivePage) -> tuple[list[RenderedItem], dict[str, Any], str]:
    snapshot = live_page.snapshot()
    texts, state = live_page.texts(snapshot), events.event_of(snapshot.state)
    again = {item["replaces"]: item["reason"] or "" for item in state["items"] if item["replaces"]}
    found = [
        RenderedItem(item, safe(html), safe(tail), again.get(item["id"]))
        for item in state["items"]
        for html, tail in [texts.get(item["index"], ("", ""))]
    ]
    return found, state, live_page.cursor(snapshot)
