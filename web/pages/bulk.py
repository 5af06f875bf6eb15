"""`/jobs/act`: cancels, retries or deletes the jobs that were ticked, or all that a filter finds; asks before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from flask import flash, g, redirect, render_template, request
from werkzeug.datastructures import MultiDict

from jobs.errors import InvalidRequest, JobNotFound
from jobs.job import Status
from web.actions.cancel import cancel
from web.actions.delete import delete
from web.actions.retry import retry
from web.context import WebContext
from web.pages.i18n import _
from web.pages.jobs import Filter
from web.pages.layout import place_here
from web.pages.titles import title

# What one request does, so that it is done within seconds; ticks are those of a page.
_MOST, _MOST_TICKS, _NAMED = 1000, 100, 5
_END_SECONDS, _POLL_SECONDS = 10.0, 0.1


class Bulk:
    """The handler of `/jobs/act`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        acts: dict[str, Callable[[str], None]] = {"cancel": self._cancel, "retry": self._retry, "delete": self._delete}
        self._acts = acts

    def act(self) -> Any:
        """Ask whether it is meant, unless a single job is cancelled or retried; then do it and go back to the list."""
        form = request.form
        act, _space, one = form.get("row", form.get("act", "")).partition(" ")
        if act not in self._acts:
            raise InvalidRequest(f"'act' must be one of {', '.join(self._acts)}.", param="act")
        confirmed = form.get("confirmed", "").split()[:_MOST]
        ids = confirmed or self._meant(form, one)
        fitting = self._fitting(act, ids)
        if fitting and not confirmed and (act == "delete" or len(fitting) > 1):
            return self._ask(act, fitting, ids)
        self._report(act, self._do(act, fitting))
        return redirect(place_here(form.get("back", ""), "/jobs"), 303)

    def _meant(self, form: MultiDict[str, str], one: str) -> list[str]:
        """The jobs that a form means: one, all that its filter finds, or the ticked."""
        if one or form.get("scope") != "all":
            return [one] if one else form.getlist("job")[:_MOST_TICKS]
        chosen = Filter.of(form)
        return self._context.store.ids(
            g.owner, status=chosen.status, prompt=chosen.prompt, words=chosen.words, limit=_MOST
        )

    def _fitting(self, act: str, ids: Sequence[str]) -> list[str]:
        """The owner's to which it can be done: only what runs is cancelled, only what has ended is written again."""
        statuses = self._context.store.statuses(ids, g.owner)  # invariant 8
        wanted = {"cancel": (False,), "retry": (True,), "delete": (False, True)}[act]
        return [job_id for job_id in ids if job_id in statuses and statuses[job_id].is_terminal in wanted]

    def _ask(self, act: str, fitting: Sequence[str], ids: Sequence[str]) -> str:
        statuses = self._context.store.statuses(fitting, g.owner)
        return render_template(
            "confirm.html",
            act=act,
            ids=fitting,
            left=len(ids) - len(fitting),
            full=len(ids) == _MOST,
            running=sum(not status.is_terminal for status in statuses.values()),
            completed=sum(status is Status.COMPLETED for status in statuses.values()),
            named=[title(self._context.store.get(g.owner, job_id)) for job_id in fitting[:_NAMED]],
            back=place_here(request.form.get("back", ""), "/jobs"),
        )

    def _do(self, act: str, ids: Sequence[str]) -> int:
        """Do it to each, in short steps between which others are served; to how many it was done."""
        done = 0
        if act == "delete":
            self._stop(ids)
        for job_id in ids:
            with suppress(InvalidRequest, JobNotFound):  # it has ended, or it was deleted meanwhile
                self._acts[act](job_id)
                done += 1
            time.sleep(0)
        return done

    def _stop(self, ids: Sequence[str]) -> None:
        """Cancel those that run, and wait for their end, but not for long: they are fenced out all the same."""
        statuses, deadline = self._context.store.statuses(ids, g.owner), time.monotonic() + _END_SECONDS
        running = [job_id for job_id, status in statuses.items() if status is Status.IN_PROGRESS]
        self._do("cancel", running)
        while running and self._fitting("cancel", running) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _cancel(self, job_id: str) -> None:
        cancel(self._context, g.owner, job_id)

    def _retry(self, job_id: str) -> None:
        retry(self._context, g.owner, job_id)

    def _delete(self, job_id: str) -> None:
        delete(self._context, g.owner, job_id, wait_seconds=0)

    def _report(self, act: str, done: int) -> None:
        said = {
            "cancel": _("One job is being stopped.|{n} jobs are being stopped.", n=done),
            "retry": _("One job is queued anew.|{n} jobs are queued anew.", n=done),
            "delete": _("One job was deleted.|{n} jobs were deleted.", n=done),
        }
        flash(said[act] if done else _("There was nothing to do: no such job was ticked."))
