"""The first page: what is being written now, and the forms that queue a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
from flask import Response, g, redirect, render_template, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import TooManyRequests

from jobs.errors import InvalidRequest, JobNotFound, LimitReached
from jobs.job import Job, Status
from jobs.protocol.input_items import input_items
from jobs.requests import generation
from jobs.requests.job_request import FLEX
from jobs.storage.disk.reserve import is_disk_full
from web.actions.source_files import read_source
from web.actions.submit import submit
from web.api import render
from web.api.sources import sent_source
from web.context import WebContext
from web.errors import envelope, status_of
from web.limits.words import sentence
from web.pages.i18n import LANGUAGES, _
from web.pages.job_view import job_view
from web.pages.titles import title

_RECENT = 5
_MODEL_SECONDS = 0.5
# What a form may set of the request, beside its prompt's variables: no variable's name has a dot.
_FIELDS = (
    *("model", "input", "instructions", "previous_response_id", "temperature", "top_p", "max_output_tokens"),
    *("reasoning.effort", "service_tier", "penstock.review"),
)
_PREFIX = "request."


class HomePage:
    """The handlers of `/` and of its forms."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def show(self) -> Any:
        """The forms; filled in as the job `from` was asked, with the form of `prompt` open."""
        values = {"prompt": request.args["prompt"]} if "prompt" in request.args else {}
        if before := request.args.get("from"):
            try:
                values = _form_values(self._context.store.get(g.owner, before))
            except JobNotFound:
                return render_template("missing.html"), 404
        return self._page(values)

    def submit(self) -> Any:
        """A form was sent: to the new job's page, or back to the form with what is wrong."""
        context, form = self._context, request.form.to_dict()
        try:
            _add_files(form, request.files.getlist("files"), context.settings.max_source_bytes)
            body = _body(form, self._images(form.pop("images_of", "")))
            job = submit(context, g.owner, context.parsing.run(generation.parse, body))
        except InvalidRequest as error:
            return self._page(form, error.sentence(_), error.param or ""), 400
        except LimitReached as error:
            return self._page(form, sentence(error, _)), 429
        except SQLAlchemyError as error:
            if not is_disk_full(error):
                raise
            words = _("The server's disk is full: nothing new is taken until there is room. Deleting jobs makes room.")
            return self._page(form, words), 503
        return redirect(url_for("job.show", job_id=job.id), 303)

    def source(self) -> Response:
        """The text of a file, as `/v1/sources` has it, or in the page's language why there is none."""
        try:
            return render.json(sent_source(self._context.settings.max_source_bytes))
        except InvalidRequest as error:
            return envelope(status_of(error), error.sentence(_), param=error.param, code=error.code)
        except TooManyRequests:
            return envelope(429, _("Many files are being read just now: try again in a moment."))

    def _images(self, job_id: str) -> list[dict[str, Any]]:
        """The images of the input of the owner's job, as parts of a message; none without a job."""
        if not job_id:
            return []
        job = self._context.store.get(g.owner, job_id)
        items = input_items(job, self._context.store.images(job))
        return [part for item in items for part in item.get("content", ()) if part["type"] == "input_image"]

    def _page(self, values: Mapping[str, str], problem: str = "", param: str = "") -> str:
        context = self._context
        settings = context.settings
        answers = filter(None, (server.latest(_MODEL_SECONDS) for server in context.model_servers))
        offered = [model for answer in answers for model in answer.models]
        models = list(settings.models) or list(dict.fromkeys([*settings.listed, *offered]))
        return render_template(
            "new.html",
            prompts=sorted(context.prompts, key=lambda prompt: not prompt.section),
            models=models,
            closed=bool(settings.models),
            default_model=settings.model or (models[0] if settings.models or len(models) == 1 else ""),
            values=values,
            problem=problem,
            wrong=param.removeprefix("prompt.variables.") if param.startswith("prompt.") else _PREFIX + param,
            recent=[(job, title(job)) for job in context.store.lists.page(g.owner, limit=_RECENT)],
            **({} if values else self._featured()),
        )

    def _featured(self) -> dict[str, Any]:
        """What the page shows as being written: the newest job that runs, else the newest that waits."""
        for status in (Status.IN_PROGRESS, Status.QUEUED):
            for listed in self._context.store.lists.page(g.owner, limit=1, status=status):
                with suppress(JobNotFound):  # deleted meanwhile
                    return job_view(self._context, self._context.store.get(g.owner, listed.id))
        return {}


def choice_label(choice: Any) -> str:
    """What a form calls a value that can be chosen."""
    labels = {"": _("left open"), "true": _("yes"), "false": _("no"), FLEX: _("flex: it can wait"), **LANGUAGES}
    return labels.get(str(choice), str(choice))


def _body(form: Mapping[str, str], images: Sequence[Mapping[str, Any]]) -> bytes:
    """A form as the body of a request, with images behind its input; what was left open is left out."""
    variables = {name: value for name, value in form.items() if value}
    prompt = variables.pop("prompt", "")
    fields = {name: variables.pop(_PREFIX + name, None) for name in _FIELDS}
    body: dict[str, Any] = {"background": True}
    for name, value in fields.items():
        outer, *inner = name.split(".")
        if value:
            body[outer] = {inner[0]: value} if inner else value
    if images:
        text = {"type": "input_text", "text": body.get("input", "")}
        body["input"] = [{"role": "user", "content": [text, *images]}]
    if prompt:
        body["prompt"] = {"id": prompt, "variables": variables}
    return orjson.dumps(body)


def _add_files(form: dict[str, str], files: Sequence[FileStorage], most_bytes: int) -> None:
    """Put the texts of files into the source text, where no script has done so. Raises InvalidRequest."""
    sources = [
        read_source(file.filename, file.read(), most_bytes, "prompt.variables.source")
        for file in files
        if file.filename
    ]
    texts = [source.text for source in sources]
    if texts:
        form["source"] = "\n\n".join(filter(None, [form.get("source"), *texts]))


def _form_values(job: Job) -> dict[str, str]:
    """The form as it would have asked for this job."""
    request, prompt = job.request, job.request.prompt
    computed = {
        "input": "\n\n".join(message["content"] for message in request.input),
        "service_tier": FLEX if request.service_tier == FLEX else None,
        "reasoning.effort": (request.reasoning or {}).get("effort"),
        "penstock.review": "true" if request.review else None,
    }
    values = {_PREFIX + name: computed[name] if name in computed else getattr(request, name) for name in _FIELDS}
    values |= {"prompt": prompt.id, **prompt.variables} if prompt else {"prompt": ""}
    if any("images" in message for message in request.input):
        values["images_of"] = job.id
    return {name: str(value) for name, value in values.items() if value is not None}
