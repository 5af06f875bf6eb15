"""`/v1/schedules`: requests that are made again and again."""

from __future__ import annotations

from flask import Response, g, request
from pydantic import BaseModel

from jobs.errors import InvalidRequest, NotFound
from jobs.requests.generation import validated
from jobs.schedules.wish import ScheduleWish
from jobs.storage.lists.owned_rows import PageOf
from jobs.storage.schedules.schedules import Schedules
from web.actions.reports.schedules import create_schedule, run_now, shown
from web.api import render
from web.api.creation import repetition
from web.context import WebContext


class _Change(BaseModel):
    paused: bool


class ScheduleRoutes:
    """The handlers of `/v1/schedules`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._schedules = Schedules(context.database)

    def create(self) -> Response:
        """A new schedule."""
        wish = validated(ScheduleWish, request.get_data())
        return render.json(shown(create_schedule(self._context, g.owner, wish)))

    def page(self) -> Response:
        """A page of the owner's schedules."""
        limit, newest_first = render.paging(request.args)
        page = PageOf(limit + 1, request.args.get("after"), newest_first)
        try:
            found = self._schedules.page(g.owner, page)
        except NotFound as error:
            raise InvalidRequest(str(error), param="after") from error
        return render.listing([shown(row) for row in found], limit)

    def retrieve(self, schedule_id: str) -> Response:
        """One schedule."""
        return render.json(shown(self._schedules.get(g.owner, schedule_id)))

    def change(self, schedule_id: str) -> Response:
        """Pause a schedule, or have it go on."""
        change = validated(_Change, request.get_data())
        switch = self._schedules.pause if change.paused else self._schedules.resume
        return render.json(shown(switch(g.owner, schedule_id)))

    def run(self, schedule_id: str) -> Response:
        """A run now: its job."""
        key = repetition()["idempotency_key"]
        return render.response(self._context, run_now(self._context, g.owner, schedule_id, key))

    def delete(self, schedule_id: str) -> Response:
        """Remove a schedule; the jobs of its runs stay."""
        self._schedules.delete(g.owner, schedule_id)
        return render.json({"id": schedule_id, "object": "schedule.deleted", "deleted": True})
