"""A job's text and where it stands, as the templates show them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import redis

from jobs.protocol import events
from jobs.job import Job
from web.api import render
from web.live.rendered_item import Passage, finished, safe
from web.live.live_page import Screen
from web.context import Site
from web.live.job_state import Standing
from web.pages.titles import title

# How long a page waits for its text to be read from the log; its stream brings what is missing then.
_READ_SECONDS = 1.0


def article(site: Site, job: Job) -> dict[str, Any]:
    """What the templates need of a job at this moment: `state`, its `passages`, and the `cursor` of its stream."""
    if job.response is None:
        found, state, cursor = _running(site, job)
    else:
        found, cursor = passages(site, job), ""
        standing = Standing(job)
        state = {**standing.state([passage.line for passage in found]), "silent": 0, "elapsed": standing.elapsed()}
    known = {"job": job, "title": title(job), "ended": job.response is not None}
    return {**known, "state": state, "passages": found, "cursor": cursor, "is_local": site.settings.auth == "off"}


def passages(site: Site, job: Job) -> list[Passage]:
    """The text of a job as if it ended now; rendered once if it has ended."""
    if job.response is None:
        return finished(render.current(site, job))
    return site.shelf.get(job.id, lambda: finished(orjson.loads(job.response or b"")))


def _running(site: Site, job: Job) -> tuple[list[Passage], dict[str, Any], str]:
    with site.screens.watch(job) as screen:
        with suppress(redis.RedisError):  # without it, what this process has read of the job
            screen.reach(site.log.tails([job.id])[0], _READ_SECONDS)
        return _seen(screen)


def _seen(screen: Screen) -> tuple[list[Passage], dict[str, Any], str]:
    picture = screen.picture()
    texts, state = screen.texts(picture), events.event_of(picture.state)
    again = {item["replaces"]: item["reason"] or "" for item in state["items"] if item["replaces"]}
    found = [
        Passage(item, safe(html), safe(tail), again.get(item["id"]))
        for item in state["items"]
        for html, tail in [texts.get(item["index"], ("", ""))]
    ]
    return found, state, screen.cursor(picture)
