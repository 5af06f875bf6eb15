"""What went wrong with a model, in its provider's words, and whether asking again may help.

The one place that turns an exception of a model call into words; what is secret is taken out of them here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import httpx2
import openai

from jobs.background import jittered
from jobs.errors import PenstockError
from jobs.protocol.response import SERVER_ERROR
from jobs.secrets import Secrets
from worker.model.answer.provider_words import status_in, words_in

ENDED_EARLY = "The model's stream ended before its answer did."
_LIMITED = frozenset({429, 503, 529})
_TRANSIENT = frozenset({408, 409, 425}) | _LIMITED
# An empty purse is reported as a rate limit, but no waiting fills it.
_NO_MONEY = re.compile(r"insufficient[ _](quota|balance|credit|funds)|余额不足|欠费|arrearage", re.IGNORECASE)
# The kinds of errors that no second try mends, where there is no status to say so.
_LASTING = re.compile(
    r"invalid_?request|bad_?request|invalid_?argument|invalid_?api_?key|authentication|permission|unauthorized|forbidden"
    r"|not_?found|unprocessable|unsupported|context_length|validation",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context_length|context (length|window|size)|(prompt|input|request) is too long|too many (input )?tokens"
    r"|maximum (input|prompt) length|exceeds? the (model's )?(maximum|context)|上下文",
    re.IGNORECASE,
)
_CAUSE_CODES = {401: "key_refused", 402: "no_credit", 403: "key_refused", 404: "model_not_found", 408: "timed_out"}
_LONGEST_MESSAGE = 2000


class Cause(StrEnum):
    """Why a server that is well is to be waited for longer than a fault is: LIMITED asks for it, AWAY restarts."""

    LIMITED = "limited"
    AWAY = "away"


@dataclass(eq=False)
class ModelError(PenstockError):
    """A failed call. `code` is one of OpenAI's error codes, `retry_after` the server's wish in seconds.

    `status` is the HTTP status that the server gave, in its head or in an error object, if any; `cause_code` says what
    is the matter as a code of StatusDetails.
    """

    message: str
    code: str = SERVER_ERROR
    transient: bool = True
    retry_after: float | None = None
    cause: Cause | None = None
    status: int | None = None
    cause_code: str = "answer_broken"

    def __str__(self) -> str:
        return self.message

    @property
    def kind(self) -> str:
        """What it is, for those who count errors: one of six words."""
        if self.cause is Cause.AWAY:
            return "unreachable"
        if self.status is None:
            return "broken"
        if self.status == 429:
            return "rate_limited"
        return "refused" if self.status < 500 else "server_error"

    @property
    def waiting_code(self) -> str:
        """What is said while the model is waited for, as a code of StatusDetails."""
        return {Cause.LIMITED: "rate_limited", Cause.AWAY: "model_away", None: "asked_again"}[self.cause]

    def pause(self, tries: int, longest: float) -> float:
        """Seconds to wait before the next try: the server's wish, else growing with the tries; jittered."""
        wish = self.retry_after if self.retry_after is not None else min(0.5 * 2.0 ** min(tries, 16), longest)
        return jittered(wish, 1.0, 1.25)


class ModelSilent(ModelError):
    """The model has said nothing for longer than it may."""

    @property
    def kind(self) -> str:
        """As of every fault."""
        return "silent"


def model_error(error: Exception, base_url: str, secrets: Secrets) -> ModelError:
    """The fault behind any exception that asking a model, or reading its answer, has raised."""
    fault = _model_error(error, secrets.without_userinfo(base_url))
    words = fault.message.encode("utf-8", "replace").decode()
    message = secrets.removed_from(words)[:_LONGEST_MESSAGE]
    return fault if message == fault.message else replace(fault, message=message)


def _model_error(error: Exception, url: str) -> ModelError:
    if isinstance(error, ModelError):
        return error
    if isinstance(error, openai.APIStatusError):
        return error_of_body(error.body or error.message, error.status_code, error.response.headers)
    if isinstance(error, openai.APIConnectionError):
        cause = Cause.AWAY if _is_away(error) else None
        message = f"The connection to the model server at {url} failed: {_reason(error)}"
        return ModelError(message, cause=cause, cause_code=_connection_code(error))
    if isinstance(error, httpx2.HTTPError):
        return ModelError(f"The connection to the model server at {url} broke: {error}")
    if isinstance(error, openai.APIError):
        return error_of_body(error.body or error.message)
    detail = f"{error}" if isinstance(error, ValueError) else type(error).__name__
    return ModelError(f"The model server's answer makes no sense: {detail}")


def error_of_body(body: Any, status: int | None = None, headers: Mapping[str, str] | None = None) -> ModelError:
    """The fault that an error object tells of: the body of an HTTP error, or what came inside an answer.

    Inside an answer, which has begun well, the provider's words stand alone.
    """
    headers = headers or {}
    words = words_in(body)
    message = words or "The model server reported an error and gave no reason."
    if status:
        message = f"The model server answered {status}: {words or 'no reason given'}"
    status = status or status_in(body)
    lasting = (status not in _TRANSIENT and status < 500) if status else bool(_LASTING.search(_kind_of(body)))
    return ModelError(
        message,
        code="rate_limit_exceeded" if status == 429 else SERVER_ERROR,
        transient=not lasting and not _NO_MONEY.search(f"{_kind_of(body)} {words}"),
        retry_after=retry_after(headers),
        cause=Cause.LIMITED if status in _LIMITED else None,
        status=status,
        cause_code=_cause_code(status, f"{_kind_of(body)} {words}"),
    )


def _cause_code(status: int | None, words: str) -> str:
    """What an error object tells of, as a code of StatusDetails."""
    if _NO_MONEY.search(words):
        return "no_credit"
    if _TOO_LONG.search(words):
        return "context_too_long"
    if status == 429:
        return "rate_limit_exceeded"
    if status is None:
        return "server_fault"
    return _CAUSE_CODES.get(status, "request_refused" if status < 500 else "server_fault")


def _connection_code(error: BaseException) -> str:
    """What kept a connection from being opened or used, as a code of StatusDetails."""
    causes = list(_causes(error))
    if any(isinstance(cause, ConnectionRefusedError) or "refused" in str(cause) for cause in causes):
        return "connection_refused"
    timed_out = any(isinstance(cause, TimeoutError | httpx2.TimeoutException) for cause in causes)
    return "timed_out" if timed_out else "connection_failed"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _kind_of(body: Any) -> str:
    """What an error object calls itself: the text in its `type`, `code` and `status`."""
    inner = body.get("error") if isinstance(body, dict) else None
    objects = [part for part in (body, inner) if isinstance(part, dict)]
    return " ".join(str(part.get(name) or "") for part in objects for name in ("type", "code", "status"))[:500]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait: `retry-after-ms`, or `Retry-After` as a number or an HTTP date."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name) or ""
        try:
            seconds = float(value) / unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after") or "").timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _is_away(error: BaseException) -> bool:
    """Whether there was no connection at all: a server that restarts refuses it, or is not there yet."""
    away = ConnectionRefusedError | httpx2.ConnectError | httpx2.ConnectTimeout
    return any(isinstance(cause, away) for cause in _causes(error))


def _reason(error: BaseException) -> str:
    """The words of the deepest cause that has any: "Connection refused" helps more than "Connection error"."""
    cause = error.__cause__ or error.__context__
    return (_reason(cause) if cause else "") or str(error)
