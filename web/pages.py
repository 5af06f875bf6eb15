"""The pages of one job, and its text as a file."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request
from markupsafe import Markup

from jobs import events
from jobs.errors import JobNotFound
from jobs.fold import text_of
from jobs.reading_order import ReadingOrder
from web import live, views
from web.blocks import render
from web.export import html_file
from web.site import Site
from web.titles import title


class Pages:
    """The handlers of `/jobs/{id}`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> Blueprint:
        """The handlers at their addresses."""
        pages = Blueprint("pages", __name__)
        pages.add_app_template_filter(lambda text: Markup(render(text)), "markdown")  # noqa: S704  (safe: its purpose)
        pages.get("/jobs/<job_id>")(self.show)
        pages.get("/jobs/<job_id>/live")(self.live)
        pages.get("/jobs/<job_id>.<any(md, txt, html, json):suffix>")(self.download)
        pages.post("/jobs/<job_id>/cancel")(self.cancel)
        return pages

    def show(self, job_id: str) -> Any:
        """One job."""
        try:
            job = self._site.store.get(g.owner, job_id)
        except JobNotFound:
            return render_template("missing.html"), 404
        found = views.current(self._site, job)
        return render_template("job.html", job=job, response=found, title=title(job))

    def live(self, job_id: str) -> Response:
        """What is on that page, as it changes."""
        return live.stream(self._site, self._site.store.get(g.owner, job_id))

    def download(self, job_id: str, suffix: str) -> Response:
        """The text alone, that of a running job as it is written; or all there is at this moment."""
        job = self._site.store.get(g.owner, job_id)
        if suffix == "json":
            return views.response(self._site, job)
        if suffix == "html":
            return html_file(title(job), text_of(views.current(self._site, job)))
        order = ReadingOrder(views.current(self._site, job))
        frames = (frame for piece in self._site.relay.follow(job) for frame in events.split(piece))
        body = (order.feed(event).encode() for event in events.events_of(frames))
        kind = "text/markdown" if suffix == "md" else "text/plain"
        return Response(filter(None, body), content_type=f"{kind}; charset=utf-8")

    def cancel(self, job_id: str) -> Any:
        """The buttons that end a job, at once or with whole sentences."""
        job = self._site.store.request_cancel(g.owner, job_id, graceful="graceful" in request.form)
        self._site.outbox.cancel(job.id)
        return redirect(f"/jobs/{job.id}", 303)
