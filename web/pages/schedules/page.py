"""`/schedules`: what is asked again and again, when next, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, g, redirect, render_template, request, url_for

from jobs.errors import InvalidRequest, JobNotFound, LimitReached
from jobs.schedules.wish import ScheduleWish
from jobs.storage.lists.owned_rows import PageOf
from jobs.storage.schedules.schedules import MOST_SCHEDULES, Schedules
from web.actions.reports.schedules import create_schedule, run_now, shown
from web.context import WebContext
from web.limits.words import sentence
from web.pages.i18n import _


class SchedulesPage:
    """The handlers of `/schedules` and of its buttons."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._schedules = Schedules(context.database)
        self._actions: dict[str, Callable[[str], Any]] = {
            "add": self._add,
            "pause": lambda schedule_id: self._schedules.pause(g.owner, schedule_id) and None,
            "resume": lambda schedule_id: self._schedules.resume(g.owner, schedule_id) and None,
            "run": self._run,
            "delete": self._delete,
        }

    def show(self) -> Any:
        """The schedules, and a form for another; filled in with what the job `from` was asked."""
        form = {}
        if before := request.args.get("from"):
            try:
                job = self._context.store.get(g.owner, before)
            except JobNotFound:
                return render_template("missing.html"), 404
            prompt = job.request.prompt
            lines = [f"{name}={value}" for name, value in job.request.variables.items()]
            words = "\n\n".join(message["content"] for message in job.request.input)
            form = {"prompt": prompt.id if prompt else "", "words": "\n".join(lines) if prompt else words}
        return self._page(form)

    def act(self) -> Any:
        """A button was pressed."""
        action = self._actions.get(request.form.get("act", ""))
        if action is None:
            return self._page(request.form, f"'act' must be one of {', '.join(self._actions)}."), 400
        try:
            return action(request.form.get("id", "")) or redirect(url_for("schedules.show"), 303)
        except InvalidRequest as error:
            return self._page(request.form, error.sentence(_)), 400
        except LimitReached as error:
            return self._page(request.form, sentence(error, _)), 429

    def _add(self, _id: str) -> None:
        form = request.form
        asked = _request(form.get("prompt", ""), form.get("words", ""))
        fields = {name: form.get(name, "") for name in ("name", "cron", "timezone")}
        try:
            wish = ScheduleWish(**fields, request=asked)
        except ValueError as error:
            raise InvalidRequest(_("Give it a name, a cron expression and a time zone.")) from error
        create_schedule(self._context, g.owner, wish)
        flash(_("The schedule is made."))

    def _run(self, schedule_id: str) -> Any:
        job = run_now(self._context, g.owner, schedule_id)
        return redirect(url_for("job.show", job_id=job.id), 303)

    def _delete(self, schedule_id: str) -> None:
        self._schedules.delete(g.owner, schedule_id)
        flash(_("The schedule is deleted."))

    def _page(self, form: Any, problem: str = "") -> str:
        rows = self._schedules.page(g.owner, PageOf(MOST_SCHEDULES))
        return render_template(
            "schedules.html",
            schedules=[shown(row) for row in rows],
            prompts=list(self._context.prompts),
            form=form,
            problem=problem,
        )


def _request(prompt: str, words: str) -> dict[str, Any]:
    """The request of a form; of a prompt the words are variables, a `name=value` a line. Raises InvalidRequest."""
    if not prompt:
        return {"input": words}
    lines = [line for line in words.splitlines() if line.strip()]
    if bad := next((line for line in lines if "=" not in line), None):
        raise InvalidRequest(_("'{line}' is no variable: write name=value on each line.", line=bad[:80]))
    variables = {name.strip(): value.strip() for name, _equals, value in (line.partition("=") for line in lines)}
    return {"prompt": {"id": prompt, "variables": variables}}
