"""The first page: what is being written, and the forms that queue a job."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request
from pydantic import ValidationError

from jobs import request as creation
from jobs.errors import InvalidRequest
from web.article import article
from web.site import Site
from web.titles import title

_LISTED = 50


class New:
    """The handlers of `/` and of its forms."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> Blueprint:
        """The handlers at their addresses."""
        pages = Blueprint("new", __name__)
        pages.get("/")(self.home)
        pages.post("/jobs")(self.submit)
        return pages

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


def _home(site: Site, *, problem: str = "", chosen: str = "", values: dict[str, str] | None = None) -> str:
    jobs = site.store.page(g.owner, limit=_LISTED)
    listed = [{"job": job, "title": title(job)} for job in jobs]
    shown: dict[str, Any] = {}
    if running := next((job for job in jobs if not job.status.is_terminal), None):
        shown = article(site, running)
    return render_template(
        "home.html",
        prompts=list(site.prompts),
        jobs=listed,
        problem=problem,
        chosen=chosen,
        values=values or {},
        **shown,
    )
