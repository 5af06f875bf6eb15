"""`/jobs/act`: cancels, retries or deletes the jobs that were ticked, or all that a filter finds; asks before."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import orjson
from flask import flash, g, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict

from jobs.errors import InvalidRequest, JobNotFound, LimitReached
from jobs.job import Status
from jobs.protocol.ids import is_job_id
from jobs.storage.lists.job_lists import Place
from web.actions.cancel import cancel
from web.actions.delete import delete_all
from web.actions.retry import retry
from web.api.list_query import ListQuery
from web.context import WebContext
from web.limits.words import sentence
from web.pages.i18n import _
from web.pages.layout import place_here
from web.pages.titles import title
from web.turns import Turns

_ACTIONS = ("cancel", "retry", "delete")
# One request takes at most so many jobs, so that it is done within seconds. Of more the next are asked about after it.
_MAX_JOBS = 1000
_MAX_TICKS = 100
_DELETED_AT_ONCE = 20
# So many titles are shown before the question is answered.
_SHOWN_TITLES = 5
_CANCEL_SECONDS = 10.0
_HIGHEST_NUMBER = 2**63
_POLL_SECONDS = 0.1


class Batch(NamedTuple):
    """So many jobs as are asked about at once.

    `ids` are those that the action suits, `others` how many it does not; `rest` says where the next batch begins, and
    is empty when these are the last.
    """

    ids: Sequence[str]
    others: int
    rest: str = ""


class BulkActions:
    """The handler of `/jobs/act`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._steps: dict[str, Callable[[str], None]] = {"cancel": self._cancel, "retry": self._retry}

    def act(self) -> Any:
        """Ask whether it is meant, unless a single job is cancelled or retried; then do it and go back to the list.

        Of more than a batch the next is asked about when one is done.
        """
        form = request.form
        action, _separator, row_id = form.get("row", form.get("act", "")).partition(" ")
        if action not in _ACTIONS:
            raise InvalidRequest(f"'act' must be one of {', '.join(_ACTIONS)}.", param="act")
        confirmed_ids = form.get("confirmed", "").split()[:_MAX_JOBS]
        batch = self._suited(action, confirmed_ids) if confirmed_ids else self._selection(action, form, row_id)
        if batch.ids and not confirmed_ids and (action == "delete" or len(batch.ids) > 1):
            return self._ask(action, batch)
        is_done = self._do(action, batch.ids)
        if confirmed_ids and is_done and form.get("rest"):
            batch = self._found(action, form, _place(form))
            if batch.ids:
                return self._ask(action, batch)
        return redirect(place_here(form.get("back", ""), url_for("jobs.show")), 303)

    def _selection(self, action: str, form: MultiDict[str, str], row_id: str) -> Batch:
        """The jobs that a form means: that of one row, all that its filter finds, or the ticked."""
        if row_id:
            return self._suited(action, [row_id])
        if form.get("scope") != "all":
            return self._suited(action, form.getlist("job")[:_MAX_TICKS])
        return self._found(action, form)

    def _found(self, action: str, form: MultiDict[str, str], behind: Place | None = None) -> Batch:
        """The first batch behind this place, of all that the form's filter finds, that the action suits."""
        only = ListQuery.of(form).only
        while True:
            places = self._context.store.lists.places(g.owner, limit=_MAX_JOBS + 1, behind=behind, **only)
            batch = self._suited(action, [place.id for place in places[:_MAX_JOBS]])
            if len(places) <= _MAX_JOBS:
                return batch
            behind = places[_MAX_JOBS - 1]
            if batch.ids:
                return batch._replace(rest=orjson.dumps(behind.keys).decode())

    def _suited(self, action: str, ids: Sequence[str]) -> Batch:
        eligible_ids = self._eligible(action, ids)
        return Batch(eligible_ids, len(ids) - len(eligible_ids))

    def _eligible(self, action: str, ids: Sequence[str]) -> list[str]:
        """The owner's jobs that the action suits: a running one is cancelled, an ended one is retried."""
        statuses = self._context.store.statuses(ids, g.owner)  # invariant 8
        ended = {"cancel": (False,), "retry": (True,), "delete": (False, True)}[action]
        return [job_id for job_id in ids if job_id in statuses and statuses[job_id].is_terminal in ended]

    def _ask(self, action: str, batch: Batch) -> str:
        statuses = self._context.store.statuses(batch.ids, g.owner)
        return render_template(
            "confirm.html",
            action=action,
            batch=batch,
            query=ListQuery.of(request.form),
            is_asked="unasked" not in request.form,
            running=sum(not status.is_terminal for status in statuses.values()),
            completed=sum(status is Status.COMPLETED for status in statuses.values()),
            titles=[title(self._context.store.get(g.owner, job_id)) for job_id in batch.ids[:_SHOWN_TITLES]],
            back=place_here(request.form.get("back", ""), url_for("jobs.show")),
        )

    def _do(self, action: str, ids: Sequence[str]) -> bool:
        """Do it and tell of it; False when a limit of the owner kept it from some."""
        count, limit = self._apply(action, ids)
        if count or limit is None:
            self._report(action, count)
        if limit is not None:
            flash(sentence(limit, _))
        return limit is None

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


def _place(form: Mapping[str, str]) -> Place:
    """Where the next batch begins, as the form of the batch before says. Raises InvalidRequest."""
    with suppress(orjson.JSONDecodeError):
        match orjson.loads(form["rest"]):
            case [float(created_at), str(job_id)] if not ListQuery.of(form).only["words"] and is_job_id(job_id):
                return Place(job_id, (created_at, job_id))
            case [int(number)] if ListQuery.of(form).only["words"] and number < _HIGHEST_NUMBER:
                return Place("", (number,))
    raise InvalidRequest("'rest' is none of this page's: begin again at the list of jobs.", param="rest")
