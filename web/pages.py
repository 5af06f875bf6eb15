"""The pages: submit and list, one job, its text as a file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request, session
from markupsafe import Markup
from pydantic import ValidationError

from jobs import events
from jobs import request as creation
from jobs.errors import InvalidRequest, JobNotFound
from jobs.fold import text_of
from jobs.reading_order import ReadingOrder
from jobs.record import Job
from web import live, views
from web.blocks import render
from web.export import html_file
from web.site import Site

_LISTED = 50


class Pages:
    """The handlers of the pages."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> Blueprint:
        """The handlers at their addresses."""
        pages = Blueprint("pages", __name__)
        pages.app_context_processor(self._about)
        pages.add_app_template_filter(lambda text: Markup(render(text)), "markdown")  # noqa: S704  (safe: its purpose)
        pages.get("/")(self.home)
        pages.post("/jobs")(self.submit)
        pages.get("/jobs/<job_id>")(self.show)
        pages.get("/jobs/<job_id>/live")(self.live)
        pages.get("/jobs/<job_id>.<any(md, txt, html, json):suffix>")(self.download)
        pages.post("/jobs/<job_id>/cancel")(self.cancel)
        return pages

    def _about(self) -> dict[str, Any]:
        settings = self._site.settings
        return {"demo": settings.demo, "model": settings.model, "signed_in": bool(session)}

    def home(self) -> str:
        """The forms, and the newest jobs."""
        return _home(self._site)

    def submit(self) -> Any:
        """A form was sent: to the new job's page, or back to the form with what is wrong."""
        site = self._site
        form = {name: value for name, value in request.form.items() if value}
        prompt = form.pop("prompt", "")
        try:
            asked = creation.CreateRequest(
                prompt=creation.PromptReference(id=prompt, variables=dict(form)), background=True
            )
            model = creation.named_model(asked, site.prompts) or site.models.default()
            kept = creation.accept(asked, site.prompts, default_model=model, allowed=site.settings.models)
        except (InvalidRequest, ValidationError) as error:
            return _home(site, problem=str(error), chosen=prompt, values=form), 400
        job = site.store.accept(g.owner, kept)
        site.outbox.job(job.id)
        return redirect(f"/jobs/{job.id}", 303)

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


def _home(site: Site, *, problem: str = "", chosen: str = "", values: dict[str, str] | None = None) -> str:
    jobs = site.store.page(g.owner, limit=_LISTED)
    listed = [{"job": job, "title": title(job), "age": moment(job.created_at)} for job in jobs]
    shown: dict[str, Any] = {}
    if running := next((job for job in jobs if not job.status.is_terminal), None):
        shown = {"job": running, "title": title(running), "response": views.current(site, running)}
    return render_template(
        "home.html",
        prompts=list(site.prompts),
        jobs=listed,
        problem=problem,
        chosen=chosen,
        values=values or {},
        **shown,
    )


def title(job: Job) -> str:
    """What to call a job: its topic, else the beginning of what was asked."""
    prompt = job.request["prompt"]
    topic = prompt and prompt["variables"].get("topic")
    asked = next((message["content"] for message in reversed(job.request["input"])), "")
    text = " ".join(str(topic or asked or job.id).split())
    return text if len(text) <= 80 else f"{text[:79]}…"


def moment(seconds: float) -> str:
    """A time for people and for `<time>`, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
