"""An answer that is an HTTP error, in OpenAI's envelope."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any


def envelope(status: int, message: str, code: str | int | None, param: str | None = None) -> dict[str, Any]:
    """OpenAI's error object, as it stands in a body or in a stream."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        kind = "requests"
    else:
        kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class Refused(Exception):
    """The request gets an error `status` instead of an answer; the message is for a person."""

    def __init__(
        self,
        message: str,
        *,
        status: int = HTTPStatus.BAD_REQUEST,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = envelope(status, message, code, param)


def scripted(status: int, model: str, retry_after: float | None) -> Refused:
    """The refusal that a script asks for, worded as OpenAI words it; `retry_after` is in seconds."""
    wording = {
        401: ("invalid_api_key", "Incorrect API key provided: demo."),
        404: ("model_not_found", f"The model `{model}` does not exist."),
        429: ("rate_limit_exceeded", f"Rate limit reached for `{model}`. Please try again later."),
        500: (None, "The server had an error while processing your request. Sorry about that!"),
        503: (None, "The engine is currently overloaded, please try again later."),
    }
    code, message = wording.get(status, (None, f"The script asked for a {status}."))
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return Refused(message, status=status, code=code, headers=headers)
