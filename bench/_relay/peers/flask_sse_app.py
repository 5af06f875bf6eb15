"""flask-sse behind gunicorn's gevent worker, as its documentation has it: each viewer has a subscription at Redis."""

from __future__ import annotations

from flask import Flask
from flask_sse import sse


def create_app(redis_url: str) -> Flask:
    """The application: `/sub?channel=CHANNEL`."""
    app = Flask(__name__)
    app.config["REDIS_URL"] = redis_url
    app.register_blueprint(sse, url_prefix="/sub")
    return app
