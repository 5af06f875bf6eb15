"""`/jobs`: the owner's jobs, filtered, counted, page by page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from flask import g, redirect, render_template, request, url_for

from jobs.configuration.tables import Price
from jobs.errors import InvalidRequest, JobNotFound
from jobs.job import ListedJob, Status
from jobs.storage.search.matches import MOST_COUNTED
from web.context import WebContext
from web.live.job_state import details_and_position
from web.pages.titles import title

_PAGE_SIZE = 30


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs of an owner: those of a status, of a prompt, with these words; all, as far as they are empty.

    `held` is for those only that wait for the owner to agree on their plan.
    """

    status: Status | None
    prompt: str | None
    words: str
    held: bool = False

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Filter:
        """The filter in `status`, `prompt`, `q` and `waiting`. Raises InvalidRequest."""
        status = fields.get("status", "")
        if status and status not in set(Status):
            raise InvalidRequest(f"'status' must be one of {', '.join(Status)}.", param="status")
        words = fields.get("q", "").strip()
        return cls(Status(status) if status else None, fields.get("prompt") or None, words, bool(fields.get("waiting")))

    def address(self, **changes: str) -> str:
        """The page of these jobs; `changes` are other fields."""
        known = {"status": self.status or "", "prompt": self.prompt or "", "q": self.words}
        fields = known | {"waiting": "plan" if self.held else "", **changes}
        query: dict[str, Any] = {name: value for name, value in fields.items() if value}
        return url_for("jobs.show", **query)


class JobsPage:
    """The handler of `/jobs`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def show(self) -> Any:
        """A page of jobs: behind the job `after`, or up to the job `before`; the newest when neither is given."""
        lists = self._context.store.lists
        job_filter = Filter.of(request.args)
        after = request.args.get("after")
        before = request.args.get("before")
        in_every_status: dict[str, Any] = {"prompt": job_filter.prompt, "words": job_filter.words}
        try:
            jobs = lists.page(
                g.owner,
                limit=_PAGE_SIZE + 1,
                after=before or after,
                newest_first=not before,
                status=job_filter.status,
                held=job_filter.held,
                **in_every_status,
            )
        except JobNotFound:  # the job at which the page began was deleted
            return redirect(job_filter.address())
        more = len(jobs) > _PAGE_SIZE
        jobs = jobs[:_PAGE_SIZE][::-1] if before else jobs[:_PAGE_SIZE]
        counts = lists.counts(g.owner, **in_every_status)
        held = sum(lists.counts(g.owner, held=True, **in_every_status).values())
        prices = self._context.settings.prices
        return render_template(
            "jobs.html",
            rows=[row(self._context, job) for job in jobs],
            filter=job_filter,
            counts=counts,
            held=held,
            # Of a search with more matches only the newest are counted.
            at_least="+" if job_filter.words and sum(counts.values()) == MOST_COUNTED else "",
            total=held
            if job_filter.held
            else sum(counts[each] for each in Status if job_filter.status in (None, each)),
            prompts=list(self._context.prompts),
            priced=bool(prices),
            newer=job_filter.address(before=jobs[0].id) if jobs and (more if before else after) else "",
            older=job_filter.address(after=jobs[-1].id) if jobs and (more or before) else "",
        )


def row(context: WebContext, job: ListedJob) -> dict[str, Any]:
    """What a list shows of a job."""
    progress = job.noted_progress
    end = job.ended_at or time.time()
    return {
        "job": job,
        "title": title(job),
        "running": not job.status.is_terminal,
        "sections": progress if progress["total"] > 1 else None,
        "words": progress["words"] if job.words is None else job.words,
        "seconds": end - job.started_at if job.started_at else None,
        "cost": _cost(job, context.settings.prices),
        "details": details_and_position(context.store, context.outlook, job)[0],
    }


def _cost(job: ListedJob, prices: Mapping[str, Price]) -> str:
    """What the tokens of an ended job cost, as far as that is known."""
    price = prices.get(job.model)
    usage = orjson.loads(job.outcome).get("usage") if price and job.outcome else None
    if not price or not usage:
        return ""
    cost = (usage["input_tokens"] * price.input + usage["output_tokens"] * price.output) / 1e6
    return f"{cost:.2f} {price.currency}" if cost >= 1 else f"{cost:.4f} {price.currency}"
