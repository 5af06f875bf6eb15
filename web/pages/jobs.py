"""`/jobs`: the owner's jobs, filtered, counted, page by page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Blueprint, g, redirect, render_template, request

from jobs.errors import InvalidRequest, JobNotFound
from jobs.job import Job, Status
from jobs.settings import Price
from web.context import WebContext
from web.pages.titles import title

_LISTED = 30


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs of an owner: those of a status, of a prompt, with these words; all, as far as they are empty."""

    status: Status | None
    prompt: str | None
    words: str

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Filter:
        """The filter in `status`, `prompt` and `q`. Raises InvalidRequest."""
        status = fields.get("status", "")
        if status and status not in set(Status):
            raise InvalidRequest(f"'status' must be one of {', '.join(Status)}.", param="status")
        return cls(Status(status) if status else None, fields.get("prompt") or None, fields.get("q", "").strip())

    def address(self, **changes: str) -> str:
        """The page of these jobs; `changes` are other fields."""
        fields = {"status": self.status or "", "prompt": self.prompt or "", "q": self.words, **changes}
        query = urlencode({name: value for name, value in fields.items() if value})
        return f"/jobs?{query}" if query else "/jobs"


class JobsPage:
    """The handler of `/jobs`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def routes(self) -> Blueprint:
        """The handler at its address."""
        pages = Blueprint("listing", __name__)
        pages.get("/jobs")(self.show)
        return pages

    def show(self) -> Any:
        """A page of jobs: behind the job `after`, or up to the job `before`; the newest when neither is given."""
        chosen, store = Filter.of(request.args), self._context.store
        after, before = request.args.get("after"), request.args.get("before")
        matching: dict[str, Any] = {"prompt": chosen.prompt, "words": chosen.words}
        try:
            jobs = store.page(
                g.owner,
                limit=_LISTED + 1,
                after=before or after,
                newest_first=not before,
                status=chosen.status,
                **matching,
            )
        except JobNotFound:  # where the page began is deleted
            return redirect(chosen.address())
        more, jobs = len(jobs) > _LISTED, jobs[:_LISTED]
        jobs = jobs[::-1] if before else jobs
        counts = store.counts(g.owner, **matching)
        prices = self._context.settings.prices
        return render_template(
            "jobs.html",
            rows=[row(job, prices) for job in jobs],
            chosen=chosen,
            counts=counts,
            found=counts[chosen.status] if chosen.status else sum(counts.values()),
            prompts=list(self._context.prompts),
            priced=bool(prices),
            newer=chosen.address(before=jobs[0].id) if jobs and (more if before else after) else "",
            older=chosen.address(after=jobs[-1].id) if jobs and (more or before) else "",
        )


def row(job: Job, prices: Mapping[str, Price]) -> dict[str, Any]:
    """What a list shows of a job."""
    progress = job.progress or {"done": 0, "total": 1, "words": 0}
    several, wanted = progress["total"] > 1, job.request.target_words
    end = job.ended_at or time.time()
    return {
        "job": job,
        "title": title(job),
        "running": not job.status.is_terminal,
        "stopping": bool(job.cancel_requested_at or job.stop_requested_at) and not job.status.is_terminal,
        "sections": progress if several else None,
        "part": progress["done"] / progress["total"] if several else progress["words"] / wanted if wanted else None,
        "words": progress["words"] if job.words is None else job.words,
        "seconds": end - job.started_at if job.started_at else None,
        "cost": _cost(job, prices),
    }


def _cost(job: Job, prices: Mapping[str, Price]) -> str:
    """What the tokens of an ended job cost, as far as that is known."""
    price = prices.get(job.request.model)
    usage = orjson.loads(job.response).get("usage") if price and job.response else None
    if not price or not usage:
        return ""
    cost = (usage["input_tokens"] * price.input + usage["output_tokens"] * price.output) / 1e6
    return f"{cost:.2f} {price.currency}" if cost >= 1 else f"{cost:.4f} {price.currency}"
