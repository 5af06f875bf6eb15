"""The pages of one job, and its text as a file."""

from __future__ import annotations

from typing import Any

from flask import Response, g, redirect, render_template, request, url_for

from jobs.errors import JobNotFound, LimitReached
from jobs.filing import MAX_TITLE, labels_in
from web.actions.cancel import cancel
from web.actions.delete import delete
from web.actions.metadata import file_job
from web.actions.retry import retry
from web.api import render
from web.context import WebContext
from web.limits.words import sentence
from web.pages import live_stream
from web.pages.export import html_file, text_file
from web.pages.i18n import _
from web.pages.job_view import job_view, rendered_items
from web.pages.layout import place_here
from web.pages.reports.document_file import DOCUMENTS, document_file
from web.pages.reports.thread import thread_view
from web.pages.titles import title


class JobPages:
    """The handlers of `/jobs/{id}`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def show(self, job_id: str) -> Any:
        """One job."""
        try:
            job = self._context.store.get(g.owner, job_id)
        except JobNotFound:
            return render_template("missing.html"), 404
        return render_template("job.html", **job_view(self._context, job), **thread_view(self._context, job))

    def live(self, job_id: str) -> Response:
        """What is on that page, as it changes."""
        return live_stream.stream(self._context, self._context.store.get(g.owner, job_id))

    def live_together(self) -> Response:
        """What is on the pages of several jobs, as it changes, over one stream: `job=ID:BLOCK` for each."""
        return live_stream.stream_together(self._context, g.owner, request.args.getlist("job"))

    def download(self, job_id: str, suffix: str) -> Any:
        """The text alone, that of a running job as it is written; or all there is at this moment."""
        job = self._context.store.get(g.owner, job_id)
        if suffix == "json":
            return render.response(self._context, job)
        if suffix == "html":
            return html_file(title(job), rendered_items(self._context, job))
        if suffix in DOCUMENTS:
            return document_file(self._context, job, suffix)
        return text_file(self._context, job, suffix)

    def cancel(self, job_id: str) -> Any:
        """The buttons that end a job, at once or with whole sentences."""
        job = cancel(self._context, g.owner, job_id, graceful="graceful" in request.form)
        return redirect(url_for("job.show", job_id=job.id), 303)

    def progress(self, job_id: str) -> str:
        """The parts of that page that change with the sections: outline and timeline."""
        return render_template("progress.html", **job_view(self._context, self._context.store.get(g.owner, job_id)))

    def retry(self, job_id: str) -> Any:
        """The button that queues an ended job anew: to the new job's page."""
        try:
            new_job = retry(self._context, g.owner, job_id)
        except LimitReached as error:
            return render_template("limited.html", problem=sentence(error, _)), 429
        return redirect(url_for("job.show", job_id=new_job.id), 303)

    def file(self, job_id: str) -> Any:
        """The forms that give a job another title, a star or labels: back to the page where they are."""
        form = request.form
        changes: dict[str, Any] = {}
        if "title" in form:
            changes["title"] = " ".join(form["title"].split())[:MAX_TITLE]
        if "labels" in form:
            changes["labels"] = labels_in(form["labels"])
        if "star" in form:
            changes["starred"] = form["star"] == "true"
        file_job(self._context, g.owner, job_id, **changes)
        return redirect(place_here(form.get("back", ""), url_for("job.show", job_id=job_id)), 303)

    def delete(self, job_id: str) -> Any:
        """The button that removes a job: to the others."""
        delete(self._context, g.owner, job_id)
        return redirect(url_for("jobs.show"), 303)
