"""Every URL of the web process: its method, its handler, and who may ask."""

from __future__ import annotations

import re
from difflib import get_close_matches
from enum import StrEnum
from typing import NamedTuple

_API = "/v1/"
_JOB_ID = re.compile(r"resp_\w+")


class Access(StrEnum):
    """Who may ask: `ANYONE` from anywhere, a `VISITOR` of this very site, or an `OWNER` who has shown a key."""

    ANYONE = "anyone"
    VISITOR = "visitor"
    OWNER = "owner"


class Route(NamedTuple):
    """`endpoint` is `<handler>.<method>`, with the handlers as web/app.py names them."""

    method: str
    path: str
    endpoint: str
    access: Access = Access.OWNER


ROUTES = (
    # The API
    Route("POST", "/v1/responses", "responses.create"),
    Route("GET", "/v1/responses", "responses.page"),
    Route("GET", "/v1/responses/<job_id>", "responses.retrieve"),
    Route("POST", "/v1/responses/<job_id>", "responses.update"),
    Route("DELETE", "/v1/responses/<job_id>", "responses.delete"),
    Route("GET", "/v1/responses/<job_id>/input_items", "responses.input_items"),
    Route("POST", "/v1/responses/<job_id>/cancel", "responses.cancel"),
    Route("POST", "/v1/responses/<job_id>/retry", "responses.retry"),
    Route("GET", "/v1/responses/<job_id>/plan", "plan_api.show"),
    Route("POST", "/v1/responses/<job_id>/plan", "plan_api.agree"),
    Route("GET", "/v1/responses/<job_id>/sections/<section>/versions", "section_api.versions"),
    Route("POST", "/v1/responses/<job_id>/sections/<section>/versions", "section_api.rewrite"),
    Route("POST", "/v1/responses/<job_id>/sections/<section>/choose", "section_api.choose"),
    Route("GET", "/v1/responses/<job_id>/thread", "thread_api.show"),
    Route("POST", "/v1/responses/<job_id>/thread", "thread_api.ask"),
    Route("POST", "/v1/responses/<job_id>/shares", "share_api.create"),
    Route("GET", "/v1/responses/<job_id>/shares", "share_api.page"),
    Route("GET", "/v1/shares", "share_api.page_of_all"),
    Route("DELETE", "/v1/shares/<share_id>", "share_api.delete"),
    Route("POST", "/v1/chat/completions", "chat.create"),
    Route("POST", "/v1/sources", "sources.read"),
    Route("POST", "/v1/schedules", "schedule_api.create"),
    Route("GET", "/v1/schedules", "schedule_api.page"),
    Route("GET", "/v1/schedules/<schedule_id>", "schedule_api.retrieve"),
    Route("POST", "/v1/schedules/<schedule_id>", "schedule_api.change"),
    Route("POST", "/v1/schedules/<schedule_id>/run", "schedule_api.run"),
    Route("DELETE", "/v1/schedules/<schedule_id>", "schedule_api.delete"),
    Route("POST", "/v1/files", "files.create"),
    Route("GET", "/v1/files", "files.page"),
    Route("GET", "/v1/files/<file_id>", "files.retrieve"),
    Route("DELETE", "/v1/files/<file_id>", "files.delete"),
    Route("GET", "/v1/files/<file_id>/content", "files.content"),
    Route("POST", "/v1/batches", "batches.create"),
    Route("GET", "/v1/batches", "batches.page"),
    Route("GET", "/v1/batches/<batch_id>", "batches.retrieve"),
    Route("POST", "/v1/batches/<batch_id>/cancel", "batches.cancel"),
    Route("POST", "/v1/webhook_endpoints", "webhook_endpoints.create"),
    Route("GET", "/v1/webhook_endpoints", "webhook_endpoints.page"),
    Route("GET", "/v1/webhook_endpoints/<endpoint_id>", "webhook_endpoints.retrieve"),
    Route("POST", "/v1/webhook_endpoints/<endpoint_id>", "webhook_endpoints.update"),
    Route("DELETE", "/v1/webhook_endpoints/<endpoint_id>", "webhook_endpoints.delete"),
    Route("POST", "/v1/webhook_endpoints/<endpoint_id>/rotate_secret", "webhook_endpoints.rotate_secret"),
    Route("POST", "/v1/webhook_endpoints/<endpoint_id>/test", "webhook_endpoints.test"),
    Route("GET", "/v1/webhook_event_types", "webhook_endpoints.event_types"),
    Route("GET", "/v1/webhook_secret", "webhook_endpoints.secret"),
    Route("POST", "/v1/webhook_secret", "webhook_endpoints.new_secret"),
    Route("GET", "/v1/webhook_deliveries", "webhook_deliveries.page"),
    Route("GET", "/v1/webhook_deliveries/<delivery_id>", "webhook_deliveries.retrieve"),
    Route("POST", "/v1/webhook_deliveries/<delivery_id>/resend", "webhook_deliveries.resend"),
    Route("GET", "/v1/prompts", "prompt_api.page"),
    Route("GET", "/v1/prompts/<prompt_id>", "prompt_api.retrieve"),
    Route("GET", "/v1/models", "health.models"),
    Route("GET", "/v1/models/<path:name>", "health.model"),
    Route("GET", "/healthz", "health.healthz", Access.ANYONE),
    Route("GET", "/readyz", "health.readyz", Access.ANYONE),
    Route("GET", "/metrics", "metrics.show", Access.VISITOR),
    Route("GET", "/openapi.json", "openapi.document", Access.ANYONE),
    Route("GET", "/openapi", "openapi.page", Access.ANYONE),
    # The pages
    Route("GET", "/", "home.show"),
    Route("POST", "/jobs", "home.submit"),
    Route("POST", "/sources", "home.source"),
    Route("GET", "/jobs", "jobs.show"),
    Route("POST", "/jobs/act", "bulk.act"),
    Route("GET", "/jobs/news", "jobs.news"),
    Route("GET", "/jobs/<job_id>", "job.show"),
    Route("GET", "/jobs/<job_id>/live", "job.live"),
    Route("GET", "/live", "job.live_together"),
    Route("GET", "/jobs/<job_id>/progress", "job.progress"),
    Route("GET", "/jobs/<job_id>.<any(md, txt, html, json, docx, pdf):suffix>", "job.download"),
    Route("POST", "/jobs/<job_id>/cancel", "job.cancel"),
    Route("GET", "/jobs/<job_id>/plan", "plan.show"),
    Route("POST", "/jobs/<job_id>/plan", "plan.write"),
    Route("GET", "/jobs/<job_id>/sections/<section>", "section.show"),
    Route("POST", "/jobs/<job_id>/sections/<section>", "section.act"),
    Route("POST", "/jobs/<job_id>/ask", "thread.ask"),
    Route("GET", "/jobs/<job_id>/share", "share.show"),
    Route("POST", "/jobs/<job_id>/share", "share.act"),
    Route("POST", "/jobs/<job_id>/retry", "job.retry"),
    Route("POST", "/jobs/<job_id>/filing", "job.file"),
    Route("POST", "/jobs/<job_id>/delete", "job.delete"),
    Route("GET", "/system", "system.show"),
    Route("GET", "/system.json", "system.document"),
    Route("POST", "/system/queues", "system.switch"),
    Route("GET", "/batches", "batch_page.show"),
    Route("POST", "/batches", "batch_page.create"),
    Route("POST", "/batches/<batch_id>/cancel", "batch_page.cancel"),
    Route("GET", "/prompts", "prompts.show"),
    Route("GET", "/schedules", "schedules.show"),
    Route("POST", "/schedules", "schedules.act"),
    Route("GET", "/webhooks", "webhooks.show"),
    Route("POST", "/webhooks", "webhooks.act"),
    # What others see
    Route("GET", "/s/<token>", "shared.show", Access.ANYONE),
    Route("GET", "/s/<token>/live", "shared.live", Access.ANYONE),
    Route("GET", "/s/<token>.<any(md, txt, html, docx, pdf):suffix>", "shared.download", Access.ANYONE),
    Route("POST", "/language", "layout.choose", Access.VISITOR),
    Route("POST", "/theme", "layout.choose_theme", Access.VISITOR),
    Route("GET", "/signin", "signin.form", Access.VISITOR),
    Route("POST", "/signin", "signin.enter", Access.VISITOR),
    Route("POST", "/signout", "signin.leave"),
)


def nearest(path: str) -> str | None:
    """The path of the API that somebody most likely means who asks for this one; None when there is none like it.

    Parts in angle brackets stand for ids. Outside `/v1` only a path that lacks nothing but `/v1` is like one.
    """
    known = {route.path.removeprefix(_API): route.path for route in ROUTES if route.path.startswith(_API)}
    wanted = _JOB_ID.sub("<job_id>", path.removeprefix("/").rstrip("/"))
    if not path.startswith(_API):
        return known.get(wanted)
    similar = get_close_matches(wanted.removeprefix("v1").removeprefix("/v1").lstrip("/"), known, n=1)
    return known[similar[0]] if similar else None
