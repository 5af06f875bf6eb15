"""The Flask application: parts built once, routes registered, every request checked before it is answered."""

from __future__ import annotations

import secrets

from flask import Flask, Response, g, request

from jobs.settings import Settings
from web import auth, errors
from web.api import openapi
from web.api.health import Health
from web.api.responses import Responses
from web.context import WebContext
from web.pages.bulk import Bulk
from web.pages.home import Home
from web.pages.job import JobPages
from web.pages.jobs import JobsPage
from web.pages.layout import Layout
from web.pages.signin import SignIn
from web.pages.system import System

# The second wall behind text that is only ever set as text.
_POLICY = (  # invariant 9
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types penstock"
)
_OPEN_TO_ALL = frozenset({"health.healthz", "health.readyz", "openapi.document", "openapi.page", "static"})
_SIGNED_OUT = frozenset({"signin.form", "signin.enter", "layout.choose"})


def create_app(settings: Settings | None = None) -> Flask:
    """The application of one web process. Reads the settings unless they are given. Raises BadSetting."""
    settings = settings or Settings.load()
    context = WebContext(settings)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes
    errors.register(app)
    auth.set_up_cookies(app, settings)
    for part in (Layout, Health, Responses, Home, JobsPage, Bulk, System, JobPages, SignIn):
        app.register_blueprint(part(context).routes())
    app.register_blueprint(openapi.routes())

    @app.before_request
    def check() -> None:
        if request.endpoint in _OPEN_TO_ALL:
            return
        auth.check_origin(request, settings)
        if request.endpoint not in _SIGNED_OUT:
            g.owner = auth.owner_of(request, settings, context.keys)

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["x-request-id"] = f"req_{secrets.token_hex(12)}"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        return response

    return app
