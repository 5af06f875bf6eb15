"""Every error as OpenAI's envelope; never a status that clients retry for something that stays wrong."""

from __future__ import annotations

import logging
import math
from typing import Any

from flask import Flask, Response, jsonify, redirect, request, url_for
from gunicorn.http.errors import ParseException
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, TooManyRequests
from werkzeug.exceptions import NotFound as NoSuchPath

from jobs.background import log_error
from jobs.errors import InvalidRequest, LimitReached, NotFound, PenstockError
from jobs.storage.database import reason
from jobs.storage.disk.reserve import is_disk_full
from web.limits.words import may_soon, sentence
from web.routes import nearest

# Of refused requests, by their code.
_STATUSES = {"model_not_found": 404, "file_too_large": 413}
_log = logging.getLogger(__name__)


class NoAccess(PenstockError):
    """The request may not be answered. `status` is 401 or 403, `code` OpenAI's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def envelope(
    status: int, message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> Response:
    """An error answer."""
    response = jsonify(error={"message": message, "type": kind, "param": param, "code": code})
    response.status_code = status
    return response


def limit_envelope(error: LimitReached) -> Response:
    """The answer to what an owner may not have now; the SDKs send it again only when that may help soon."""
    soon = may_soon(error)
    code, kind = ("rate_limit_exceeded", "requests") if soon else ("insufficient_quota", "insufficient_quota")
    response = envelope(429, sentence(error), kind=kind, code=code)
    response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    if not soon:
        response.headers["x-should-retry"] = "false"
    return response


DISK_FULL = (
    "The server's disk is full: nothing new is taken until there is room. What is stored can be read; deleting jobs "
    "makes room."
)


def status_of(error: InvalidRequest) -> int:
    """The status of the answer to a request that is refused."""
    return _STATUSES.get(error.code or "", 400)


def register(app: Flask) -> None:
    """Have the application answer every error in the envelope."""

    @app.errorhandler(InvalidRequest)
    def invalid(error: InvalidRequest) -> Response:
        return envelope(status_of(error), str(error), param=error.param, code=error.code)

    @app.errorhandler(LimitReached)
    def limited(error: LimitReached) -> Response:
        return limit_envelope(error)

    @app.errorhandler(NotFound)
    def not_found(error: NotFound) -> Response:
        return envelope(404, str(error))

    @app.errorhandler(NoAccess)
    def no_access(error: NoAccess) -> Any:
        # A browser is led to where it can sign in; a program is told.
        is_browser = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
        if error.status == 401 and is_browser and not request.path.startswith("/v1/"):
            return redirect(url_for("signin.form"), 303)
        kind = "authentication_error" if error.status == 401 else "permission_error"
        return envelope(error.status, error.message, kind=kind, code=error.code)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        message = _not_found(error) or error.description or error.name
        if not isinstance(error, TooManyRequests):
            return envelope(error.code or 500, message)
        response = envelope(429, message, kind="requests", code="rate_limit_exceeded")
        response.headers["Retry-After"] = str(error.retry_after or 1)
        return response

    _register_failures(app)


def _not_found(error: HTTPException) -> str | None:
    """Where a path that there is not may have been meant to lead."""
    asked = request.path[:200]
    if not isinstance(error, NoSuchPath) or (path := nearest(asked)) is None:
        return None
    return f"There is no {asked}; the nearest path is {path}."


def _register_failures(app: Flask) -> None:
    """What is not an answer of ours: a body that breaks off, a database that is away, an error of our own."""

    @app.errorhandler(ParseException)
    def broken_body(error: ParseException) -> Response:
        return envelope(400, f"The request's body is broken off or malformed ({type(error).__name__}).")

    @app.errorhandler(SQLAlchemyError)
    def database(error: SQLAlchemyError) -> Response:
        _log.error("the database does not do its work: %s", reason(error))
        code, message = (
            ("disk_full", DISK_FULL)
            if is_disk_full(error)
            else (None, "The database cannot be reached or written. Try again soon.")
        )
        response = envelope(503, message, kind="server_error", code=code)
        response.headers["Retry-After"] = "2"
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log_error("a request failed", error)
        return envelope(500, f"Penstock itself failed ({type(error).__name__}).", kind="server_error")
