"""What went wrong with a model, in its provider's words, and whether asking again may help."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

import httpx2
import openai

from jobs.protocol.response import SERVER_ERROR

_TRANSIENT = frozenset({408, 409, 425, 429})
_MAX_WAIT_SECONDS = 60.0


@dataclass(eq=False)
class ModelError(Exception):
    """A failed call. `code` is one of OpenAI's error codes, `retry_after` the server's wish in seconds."""

    message: str
    code: str = SERVER_ERROR
    transient: bool = True
    retry_after: float | None = None

    def pause(self, tries: int) -> float:
        """Seconds to wait before the next try: the server's wish, else growing with the tries; jittered."""
        wish = self.retry_after if self.retry_after is not None else 0.5 * 2**tries
        return min(wish, _MAX_WAIT_SECONDS) * random.uniform(1.0, 1.25)  # noqa: S311  (no secret)


def model_error(error: Exception, base_url: str) -> ModelError | None:
    """The fault behind an exception of a model call; None when it is none: an error of our own."""
    if isinstance(error, ModelError):
        return error
    if isinstance(error, openai.APIStatusError):
        return _status_fault(error)
    if isinstance(error, openai.APIConnectionError):
        return ModelError(f"The connection to the model server at {base_url} failed: {_reason(error)}")
    if isinstance(error, httpx2.HTTPError):
        return ModelError(f"The connection to the model server at {base_url} broke: {error}")
    if isinstance(error, openai.APIError):
        return ModelError(error.message)
    if isinstance(error, json.JSONDecodeError):
        return ModelError("The model server sent a malformed line.")
    return None


def _reason(error: BaseException) -> str:
    """The words of the deepest cause that has any: "Connection refused" helps more than "Connection error"."""
    cause = error.__cause__ or error.__context__
    return (_reason(cause) if cause else "") or str(error)


def _status_fault(error: openai.APIStatusError) -> ModelError:
    body = error.body if isinstance(error.body, dict) else {}
    words = body.get("message") or error.message
    limited = error.status_code == 429
    # An empty purse is reported as a rate limit, but no waiting fills it.
    spent = body.get("code") == "insufficient_quota"
    return ModelError(
        f"The model server answered {error.status_code}: {words}",
        code="rate_limit_exceeded" if limited else SERVER_ERROR,
        transient=(error.status_code in _TRANSIENT or error.status_code >= 500) and not spent,
        retry_after=_seconds(error.response.headers.get("retry-after")),
    )


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
