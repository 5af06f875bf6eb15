"""`/jobs/act`: cancels, retries or deletes the jobs that were ticked, or all that a filter finds; asks before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from flask import flash, g, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict

from jobs.errors import InvalidRequest, JobNotFound, LimitReached
from jobs.job import Status
from web.actions.cancel import cancel
from web.actions.delete import delete_all
from web.actions.retry import retry
from web.context import WebContext
from web.limits.words import sentence
from web.pages.i18n import _
from web.pages.jobs import Filter
from web.pages.layout import place_here
from web.pages.titles import title
from web.turns import Turns

_ACTIONS = ("cancel", "retry", "delete")
# One request takes at most so many jobs, so that it is done within seconds.
_MAX_JOBS = 1000
_MAX_TICKS = 100
_DELETED_AT_ONCE = 20
# So many titles are shown before the question is answered.
_SHOWN_TITLES = 5
_CANCEL_SECONDS = 10.0
_POLL_SECONDS = 0.1


class BulkActions:
    """The handler of `/jobs/act`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._steps: dict[str, Callable[[str], None]] = {"cancel": self._cancel, "retry": self._retry}

    def act(self) -> Any:
        """Ask whether it is meant, unless a single job is cancelled or retried; then do it and go back to the list."""
        form = request.form
        action, _separator, row_id = form.get("row", form.get("act", "")).partition(" ")
        if action not in _ACTIONS:
            raise InvalidRequest(f"'act' must be one of {', '.join(_ACTIONS)}.", param="act")
        confirmed_ids = form.get("confirmed", "").split()[:_MAX_JOBS]
        ids = confirmed_ids or self._selection(form, row_id)
        eligible_ids = self._eligible(action, ids)
        if eligible_ids and not confirmed_ids and (action == "delete" or len(eligible_ids) > 1):
            return self._ask(action, eligible_ids, ids)
        count, limit = self._apply(action, eligible_ids)
        if count or limit is None:
            self._report(action, count)
        if limit is not None:
            flash(sentence(limit, _))
        return redirect(place_here(form.get("back", ""), url_for("jobs.show")), 303)

    def _selection(self, form: MultiDict[str, str], row_id: str) -> list[str]:
        """The jobs that a form means: that of one row, all that its filter finds, or the ticked."""
        if row_id:
            return [row_id]
        if form.get("scope") != "all":
            return form.getlist("job")[:_MAX_TICKS]
        job_filter = Filter.of(form)
        return self._context.store.lists.ids(
            g.owner, status=job_filter.status, prompt=job_filter.prompt, words=job_filter.words, limit=_MAX_JOBS
        )

    def _eligible(self, action: str, ids: Sequence[str]) -> list[str]:
        """The owner's jobs that the action suits: a running one is cancelled, an ended one is retried."""
        statuses = self._context.store.statuses(ids, g.owner)  # invariant 8
        ended = {"cancel": (False,), "retry": (True,), "delete": (False, True)}[action]
        return [job_id for job_id in ids if job_id in statuses and statuses[job_id].is_terminal in ended]

    def _ask(self, action: str, eligible_ids: Sequence[str], ids: Sequence[str]) -> str:
        statuses = self._context.store.statuses(eligible_ids, g.owner)
        return render_template(
            "confirm.html",
            action=action,
            ids=eligible_ids,
            others=len(ids) - len(eligible_ids),
            full=len(ids) == _MAX_JOBS,
            running=sum(not status.is_terminal for status in statuses.values()),
            completed=sum(status is Status.COMPLETED for status in statuses.values()),
            titles=[title(self._context.store.get(g.owner, job_id)) for job_id in eligible_ids[:_SHOWN_TITLES]],
            back=place_here(request.form.get("back", ""), url_for("jobs.show")),
        )

    def _apply(self, action: str, ids: Sequence[str]) -> tuple[int, LimitReached | None]:
        """Do it to each job, in short steps between which others are served.

        Returns to how many it was done, and the limit of the owner that kept it from the rest.
        """
        if action == "delete":
            return self._delete(ids), None
        count = 0
        turns = Turns()
        for job_id in ids:
            try:
                with suppress(InvalidRequest, JobNotFound):  # it has ended, or it was deleted meanwhile
                    self._steps[action](job_id)
                    count += 1
            except LimitReached as error:
                return count, error
            turns.give_way()
        return count, None

    def _stop(self, ids: Sequence[str]) -> None:
        """Cancel the running ones and wait for their end, at most so long: what still runs is fenced out."""
        statuses = self._context.store.statuses(ids, g.owner)
        deadline = time.monotonic() + _CANCEL_SECONDS
        running_ids = [job_id for job_id, status in statuses.items() if status is Status.IN_PROGRESS]
        self._apply("cancel", running_ids)
        while running_ids and self._eligible("cancel", running_ids) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _cancel(self, job_id: str) -> None:
        cancel(self._context, g.owner, job_id)

    def _retry(self, job_id: str) -> None:
        retry(self._context, g.owner, job_id)

    def _delete(self, ids: Sequence[str]) -> int:
        self._stop(ids)
        chunks = (ids[begin : begin + _DELETED_AT_ONCE] for begin in range(0, len(ids), _DELETED_AT_ONCE))
        return sum(delete_all(self._context, g.owner, chunk) for chunk in chunks)

    def _report(self, action: str, count: int) -> None:
        sentences = {
            "cancel": _("One job is being stopped.|{n} jobs are being stopped.", n=count),
            "retry": _("One job is queued anew.|{n} jobs are queued anew.", n=count),
            "delete": _("One job was deleted.|{n} jobs were deleted.", n=count),
        }
        flash(sentences[action] if count else _("There was nothing to do: no such job was ticked."))
