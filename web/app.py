"""The Flask application: parts built once, routes registered, every request checked before it is answered."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Flask, Response, g, request

from jobs.settings import Settings
from web import auth, errors
from web.api import openapi
from web.api.health import Health
from web.api.responses import Responses
from web.context import WebContext
from web.pages.bulk import BulkActions
from web.pages.home import HomePage, choice_label
from web.pages.job import JobPages
from web.pages.jobs import JobsPage
from web.pages.layout import Layout
from web.pages.signin import SignIn
from web.pages.system import SystemPage
from web.routes import ROUTES, Access

# Model output is only ever set as text or as sanitized HTML; the policy holds where that fails.
_POLICY = (  # invariant 9
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types penstock"
)
_ACCESS = {route.endpoint: route.access for route in ROUTES} | {"static": Access.ANYONE}


def create_app(settings: Settings | None = None) -> Flask:
    """The application of one web process. Reads the settings unless they are given. Raises BadSetting."""
    settings = settings or Settings.load()
    context = WebContext(settings)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes
    errors.register(app)
    auth.set_up_cookies(app, settings)
    _add_routes(app, context)

    @app.before_request
    def check() -> None:
        access = _ACCESS.get(request.endpoint or "", Access.OWNER)
        if access is Access.ANYONE:
            return
        auth.check_origin(request, settings)
        if access is Access.OWNER:
            g.owner = auth.owner_of(request, settings, context.keys)

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["x-request-id"] = f"req_{secrets.token_hex(12)}"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        return response

    return app


def _add_routes(app: Flask, context: WebContext) -> None:
    layout = Layout(context)
    layout.install(app)
    app.add_template_filter(choice_label)
    handlers: dict[str, Any] = {
        "responses": Responses(context),
        "health": Health(context),
        "openapi": openapi,
        "home": HomePage(context),
        "jobs": JobsPage(context),
        "job": JobPages(context),
        "bulk": BulkActions(context),
        "system": SystemPage(context),
        "layout": layout,
        "signin": SignIn(context),
    }
    for route in ROUTES:
        handler, _, method = route.endpoint.partition(".")
        app.add_url_rule(route.path, route.endpoint, getattr(handlers[handler], method), methods=[route.method])
