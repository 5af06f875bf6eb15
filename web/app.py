"""The Flask application: parts built once, routes registered, every request checked before it is answered."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import BadRequest
from werkzeug.middleware.proxy_fix import ProxyFix

from jobs.dangerous_settings import refuse_dangerous
from jobs.errors import LimitReached
from jobs.settings import Settings
from jobs.telemetry.logs import set_up_logging
from web import auth, errors
from web.api import openapi
from web.api.batches.batches import BatchRoutes
from web.api.batches.files import FileRoutes
from web.api.chat.completions import ChatCompletions
from web.api.health import Health
from web.api.metrics import MetricsPage
from web.api.prompts import PromptRoutes
from web.api.reports.plan import PlanApi
from web.api.reports.schedules import ScheduleRoutes
from web.api.reports.sections import SectionRoutes
from web.api.reports.thread import ThreadRoutes
from web.api.responses import Responses
from web.api.shares import ShareRoutes
from web.api.sources import SourceApi
from web.api.webhooks.deliveries import WebhookDeliveryRoutes
from web.api.webhooks.endpoints import WebhookEndpointRoutes
from web.context import WebContext
from web.http.connection import Connection
from web.http.gevent_worker import SETTINGS, TELEMETRY
from web.http.request import Request
from web.http.security_headers import add_security_headers
from web.pages.batches.page import BatchPage
from web.pages.bulk import BulkActions
from web.pages.home import HomePage, choice_label
from web.pages.job import JobPages
from web.pages.jobs import JobsPage
from web.pages.layout import Layout
from web.pages.prompts.page import PromptsPage
from web.pages.reports.plan import PlanPage
from web.pages.reports.section import SectionPage
from web.pages.reports.thread import ThreadPage
from web.pages.schedules.page import SchedulesPage
from web.pages.shares.page import SharePage
from web.pages.shares.shared import SharedPages
from web.pages.signin import SignIn
from web.pages.system import SystemPage
from web.pages.webhooks.page import WebhooksPage
from web.routes import ROUTES, Access
from web.telemetry.requests import begin_request, end_request

_ACCESS = {route.endpoint: route.access for route in ROUTES} | {"static": Access.ANYONE}


def create_app(settings: Settings | None = None) -> Flask:
    """The application of one web process. Reads the settings unless they are given. Raises BadSetting."""
    settings = settings or _settings()
    refuse_dangerous(settings)
    context = WebContext(settings)
    app = Flask(__name__)
    app.request_class = Request
    app.extensions |= {SETTINGS: settings, TELEMETRY: context.telemetry}
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_request_bytes
    errors.register(app)
    auth.set_up_cookies(app, settings)
    app.add_template_filter(choice_label)
    _add_routes(app, context)

    if settings.trusted_proxies:
        app.wsgi_app = _behind_proxies(app, settings.trusted_proxies)  # type: ignore[method-assign]

    @app.before_request
    def check() -> None:
        begin_request()
        if "Host" not in request.headers and request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
            raise BadRequest("An HTTP/1.1 request needs a Host header.")
        access = _ACCESS.get(request.endpoint or "", Access.OWNER)
        if access is Access.ANYONE:
            return
        auth.check_origin(request, settings)
        if access is Access.OWNER:
            _identify(context)

    @app.after_request
    def finish(response: Response) -> Response:
        response = _finished(context, response)
        return add_security_headers(response, over_tls=settings.secure_cookies)

    return app


def _settings() -> Settings:
    """The settings, with the log set up by them. Raises BadSetting."""
    settings = Settings.load()
    set_up_logging(settings.log_level, settings.log_format)
    return settings


def _identify(context: WebContext) -> None:
    """Note whose request this is; what is still to come of it counts as the owner's. Raises NoAccess."""
    g.credential = auth.credential_of(request, context.settings, context.keys, context.sessions)
    g.owner = g.credential.owner
    connection = request.environ.get("gunicorn.socket")
    if isinstance(connection, Connection) and context.settings.auth != "off":  # else all are one owner's
        connection.belongs_to(g.owner)


def _behind_proxies(app: Flask, count: int) -> ProxyFix:
    """The application as the outermost of so many proxies is asked for it: client, scheme, host and path prefix."""
    return ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_prefix=count)


def _finished(context: WebContext, response: Response) -> Response:
    """The response with what every one gets, among the streams of its owner if it is one."""
    if response.is_streamed and "owner" in g:
        response = _counted(context, response)
    response.headers.extend(g.get("rate_headers", {}))
    context.telemetry.watch(response)
    end_request(response, context.telemetry.metrics, context.telemetry.tracing)
    if response.is_streamed and context.settings.auth == "keys" and "credential" in g:
        _end_with_credential(context, response)
    return response


def _counted(context: WebContext, response: Response) -> Response:
    """A stream among those that its owner has open; or the answer that it would be one too many."""
    try:
        close = context.admission.open_stream(g.owner, was_checked=request.method == "POST")
    except LimitReached as error:
        response.close()
        return errors.limit_envelope(error)
    if close is not None:
        response.call_on_close(close)
    return response


def _end_with_credential(context: WebContext, response: Response) -> None:
    """Let the stream end when its key is revoked, or its session is over."""
    connection = request.environ.get("gunicorn.socket")
    credential = g.credential
    if connection is not None:
        permission = partial(auth.key_of, credential, context.keys, context.sessions)
        response.call_on_close(context.open_streams.add(connection, credential.name, permission))


def _add_routes(app: Flask, context: WebContext) -> None:
    layout = Layout(context)
    layout.install(app)
    handlers: dict[str, Any] = {
        "responses": Responses(context),
        "plan_api": PlanApi(context),
        "section_api": SectionRoutes(context),
        "sources": SourceApi(context),
        "prompt_api": PromptRoutes(context),
        "thread_api": ThreadRoutes(context),
        "schedule_api": ScheduleRoutes(context),
        "share_api": ShareRoutes(context),
        "chat": ChatCompletions(context),
        "files": FileRoutes(context),
        "batches": BatchRoutes(context),
        "webhook_endpoints": WebhookEndpointRoutes(context),
        "webhook_deliveries": WebhookDeliveryRoutes(context),
        "health": Health(context),
        "metrics": MetricsPage(context),
        "openapi": openapi,
        "home": HomePage(context),
        "jobs": JobsPage(context),
        "job": JobPages(context),
        "plan": PlanPage(context),
        "section": SectionPage(context),
        "thread": ThreadPage(context),
        "share": SharePage(context),
        "shared": SharedPages(context),
        "bulk": BulkActions(context),
        "system": SystemPage(context),
        "batch_page": BatchPage(context),
        "prompts": PromptsPage(context),
        "schedules": SchedulesPage(context),
        "webhooks": WebhooksPage(context),
        "layout": layout,
        "signin": SignIn(context),
    }
    for route in ROUTES:
        handler, _, method = route.endpoint.partition(".")
        app.add_url_rule(route.path, route.endpoint, getattr(handlers[handler], method), methods=[route.method])
