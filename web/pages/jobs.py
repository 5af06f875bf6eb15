"""`/jobs`: the owner's jobs, filtered, counted, page by page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response, g, redirect, render_template, request, url_for

from jobs.configuration.tables import Price
from jobs.errors import JobNotFound
from jobs.filing import labels_in
from jobs.job import ListedJob, Status
from jobs.storage.lists.filters import is_counted
from jobs.storage.lists.job_lists import MOST_SORTED
from jobs.storage.search.matches import MOST_COUNTED
from web.api import render
from web.api.list_query import ListQuery
from web.api.numbers import parse_number
from web.context import WebContext
from web.live.job_state import status_details
from web.pages.i18n import _
from web.pages.titles import title

_PAGE_SIZE = 30
_NEWS_SECONDS = 3600


class JobsPage:
    """The handler of `/jobs`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def show(self) -> Any:
        """A page of jobs: behind the job `after`, or up to the job `before`; the first of all when neither is given."""
        lists = self._context.store.lists
        query = ListQuery.of(request.args)
        after, before = request.args.get("after"), request.args.get("before")
        limit = _PAGE_SIZE + 1
        try:
            jobs = lists.page(
                g.owner, limit=limit, after=before or after, sort=query.sort, backwards=bool(before), **query.only
            )
        except JobNotFound:  # the job at which the page began was deleted
            return redirect(address(query))
        more = len(jobs) > _PAGE_SIZE
        jobs = jobs[:_PAGE_SIZE][::-1] if before else jobs[:_PAGE_SIZE]
        return render_template(
            "jobs.html",
            rows=[row(self._context, job, query.only["words"]) for job in jobs],
            query=query,
            address=address,
            **self._numbers(query),
            most_sorted=self._most_sorted(query),
            prompts=list(self._context.prompts),
            labels=lists.labels(g.owner),
            priced=bool(self._context.settings.prices),
            newer=address(query, before=jobs[0].id) if jobs and (more if before else after) else "",
            older=address(query, after=jobs[-1].id) if jobs and (more or before) else "",
        )

    def news(self) -> Response:
        """The owner's jobs that have ended, or wait for the owner, since a time in Unix seconds, and the time now.

        Those of long ago are left out, those that were cancelled, and the lines of batches.
        """
        now = time.time()
        since = max(parse_number(request.args.get("since", "0"), "since"), now - _NEWS_SECONDS)
        found = self._context.store.lists.news(g.owner, since, limit=_PAGE_SIZE)
        return render.json({"now": int(now), "jobs": [_told(self._context, job) for job in found]})

    def _most_sorted(self, query: ListQuery) -> int | None:
        """How many of the jobs are sorted, the newest ones; None for all."""
        if query.sort.is_by_age or not self._context.store.lists.is_longer(g.owner, MOST_SORTED, **query.only):
            return None
        return MOST_SORTED

    def _numbers(self, query: ListQuery) -> dict[str, Any]:
        """How many jobs there are, by status and of this list."""
        lists = self._context.store.lists
        in_every_status = query.only.copy()
        in_every_status |= {"status": None, "held": False}
        counts = lists.counts(g.owner, **in_every_status)
        of_held = in_every_status.copy()
        of_held |= {"held": True}
        held = sum(lists.counts(g.owner, **of_held).values())
        status = query.only["status"]
        return {
            "counts": counts,
            "held": held,
            # Of more the newest are counted.
            "at_least": "+" if not is_counted(in_every_status) and sum(counts.values()) == MOST_COUNTED else "",
            "total": held if query.only["held"] else sum(counts[each] for each in Status if status in (None, each)),
        }


def address(query: ListQuery, **changes: str) -> str:
    """The page of the jobs that a query asks for; `changes` are other fields of it, empty to leave one out."""
    fields: dict[str, Any] = {name: value for name, value in {**query.fields, **changes}.items() if value}
    return url_for("jobs.show", **fields)


def row(context: WebContext, job: ListedJob, words: str = "") -> dict[str, Any]:
    """What a list shows of a job, and where these words stand in it."""
    progress = job.noted_progress
    end = job.ended_at or time.time()
    return {
        "job": job,
        "title": title(job),
        "labels": labels_in(job.labels or ""),
        "excerpt": context.excerpts.of(job, words) if words else (),
        "running": not job.status.is_terminal,
        "sections": progress if progress["total"] > 1 else None,
        "words": progress["words"] if job.words is None else job.words,
        "seconds": end - job.started_at if job.started_at else None,
        "cost": _cost(job, context.settings.prices),
        "details": status_details(context.outlook, job),
    }


def _told(context: WebContext, job: ListedJob) -> dict[str, Any]:
    details = status_details(context.outlook, job)
    return {"id": job.id, "title": title(job), "status": job.status, "sentence": details.sentence(_)}


def _cost(job: ListedJob, prices: Mapping[str, Price]) -> str:
    """What the tokens of an ended job cost, as far as that is known."""
    price = prices.get(job.model)
    usage = orjson.loads(job.outcome).get("usage") if price and job.outcome else None
    if not price or not usage:
        return ""
    cost = (usage["input_tokens"] * price.input + usage["output_tokens"] * price.output) / 1e6
    return f"{cost:.2f} {price.currency}" if cost >= 1 else f"{cost:.4f} {price.currency}"
