"""The response object, whole: every field that the strict clients and Open Responses ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from jobs.job import Job, Status
from jobs.protocol import events, wire
from jobs.requests.job_request import UNCHANGED_FIELDS, JobRequest
from jobs.requests.prompts import RenderedPrompt
from jobs.status.details import StatusDetails
from jobs.status.ended import ended_details

# OpenAI's closed list of codes has one for whatever is not the caller's fault.
SERVER_ERROR = "server_error"
_ERROR_TYPES = {"rate_limit_exceeded": "requests", "invalid_prompt": "invalid_request_error"}
# Why the response of a cancelled job is incomplete.
CANCELLED = "cancelled"
# Why another attempt was needed.
_LOST = "the worker was lost"
_STOPPED = "the worker was stopped"
_AGREED = "the plan was agreed on"
ATTEMPT_REASONS = (_LOST, _STOPPED, _AGREED)
# Fields that have to be there: without a value until the end or for ever, and as the request had them.
_EMPTY = ("completed_at", "error", "incomplete_details", "usage", "max_tool_calls")
_AS_REQUESTED = ("model", "background", "store", "metadata", "service_tier", *UNCHANGED_FIELDS)
# What is told of a section that was written again, or taken from another version.
_REWRITE = ("section", "wish", "taken_from")
# JavaScript's integers end here.
_HIGHEST_COUNT = 2**53 - 1
# What strict clients want a value for, where none was asked for.
_DEFAULTS = {
    "temperature": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "text": {"format": {"type": "text"}},
    "truncation": "disabled",
    "top_logprobs": 0,
}


def initial(job_id: str, created_at: float, request: JobRequest) -> dict[str, Any]:
    """The response of a job that has just been accepted: queued, with no output."""
    values = {name: getattr(request, name) for name in _AS_REQUESTED}
    return {
        "id": job_id,
        "object": "response",
        "created_at": int(created_at),
        "status": Status.QUEUED,
        "output": [],
        **dict.fromkeys(_EMPTY),
        **{
            name: value if (value := values.get(name)) is not None else _DEFAULTS.get(name)
            for name in _DEFAULTS | values
        },
        "prompt": _prompt(request.prompt) if request.prompt else None,
        **_tools(request),
        "penstock": {"attempt": 0, **_origin(request)},
    }


def _origin(request: JobRequest) -> dict[str, Any]:
    """What the `penstock` object tells of the request."""
    retried = {"retry_of": request.retry_of} if request.retry_of else {}
    rewritten = {name: value for name, value in (request.rewrite or {}).items() if name in _REWRITE}
    return retried | ({"review": True} if request.review else {}) | ({"rewrite": rewritten} if rewritten else {})


def _tools(request: JobRequest) -> dict[str, Any]:
    """The tools of a request, and what may be done with them: without any, nothing."""
    if not request.tools:
        return {"tools": [], "tool_choice": "none", "parallel_tool_calls": False}
    is_parallel = request.parallel_tool_calls is not False
    return {"tools": request.tools, "tool_choice": request.tool_choice or "auto", "parallel_tool_calls": is_parallel}


def _prompt(prompt: RenderedPrompt) -> wire.PromptUsed:
    # The clients' type for a variable is text.
    variables = {name: str(value) for name, value in prompt.variables.items()}
    return {"id": prompt.id, "version": prompt.version, "variables": variables}


def initial_frames(job_id: str, created_at: float, request: JobRequest) -> bytes:
    """Frames 0 and 1, as they stand in the row from the start: nothing in them can drift."""
    queued = {"response": initial(job_id, created_at, request)}
    return events.frame(events.CREATED, 0, queued) + events.frame(events.QUEUED, 1, queued)


def started(base: Mapping[str, Any], job: Job, seconds: float) -> dict[str, Any]:
    """The response as an attempt begins to work on it, so many seconds after it was accepted.

    `attempts` tells of this one and of those before it, as far as their log is there: when each began, and why it was
    needed.
    """
    before = base["penstock"].get("attempts", [])
    losses = sum(attempt["reason"] == _LOST for attempt in before)
    interrupted = _AGREED if job.request.review and _is_planned(base) else _STOPPED
    reason = None if job.attempt == 1 else _LOST if job.rescues > losses else interrupted
    attempts = [*before, {"attempt": job.attempt, "started": seconds, "reason": reason}]
    penstock = {**base["penstock"], "attempt": job.attempt, "attempts": attempts}
    return {**base, "status": Status.IN_PROGRESS, "output": [], "penstock": penstock}


def _is_planned(base: Mapping[str, Any]) -> bool:
    """Whether a response holds a finished plan, and nothing of what it plans."""
    return [(item["penstock"]["section"], item["status"]) for item in base["output"]] == [(0, "completed")]


def ended(
    base: Mapping[str, Any],
    status: Status,
    *,
    now: float,
    text: str,
    error: Mapping[str, str] | None = None,
    reason: str | None = None,
    usage: Mapping[str, Any] | None = None,
    penstock: Mapping[str, Any] | None = None,
    cause: StatusDetails | None = None,
) -> dict[str, Any]:
    """The terminal response: built once, stored, sent and served verbatim.

    `text` is its output text, `error` {code, message} why it failed and `cause` the same for people, `reason` why it
    is incomplete unless that is because it was cancelled.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    reason = CANCELLED if status is Status.CANCELLED else reason
    final = {
        **base,
        "status": status,
        "completed_at": int(now) if status is Status.COMPLETED else None,
        "error": error and _error(error),
        "incomplete_details": {"reason": reason} if reason else None,
        "usage": usage,
        "penstock": {**base["penstock"], **(penstock or {}), "sha256": digest},
    }
    final["penstock"]["status_details"] = ended_details(final, cause).to_wire()
    return final


def _error(error: Mapping[str, str]) -> dict[str, str]:
    """Why a job failed, with the type that errors over HTTP have for it."""
    words = {name: readable(value) for name, value in error.items()}
    return {"type": _ERROR_TYPES.get(error["code"], SERVER_ERROR), **words}


def readable(text: str) -> str:
    """A text that UTF-8 can carry: half of a surrogate pair, which a server may send, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def terminal_kind(status: Status) -> str:
    """The one terminal event: a cancelled job ends as incomplete, because no client knows a third."""
    return {Status.COMPLETED: events.COMPLETED, Status.FAILED: events.FAILED}.get(status, events.INCOMPLETE)


def in_range(counts: Mapping[str, int]) -> dict[str, int]:
    """Token counts as a server reported them, cut down to numbers that JSON and every client can carry."""
    return {name: max(0, min(count, _HIGHEST_COUNT)) for name, count in counts.items()}


def usage(counts: Mapping[str, int]) -> wire.Usage:
    """Token counts in the shape of the wire."""
    read = in_range(counts)
    return {
        "input_tokens": read["input_tokens"],
        "input_tokens_details": {"cached_tokens": read["cached_tokens"], "cache_write_tokens": 0},
        "output_tokens": read["output_tokens"],
        "output_tokens_details": {"reasoning_tokens": read["reasoning_tokens"]},
        "total_tokens": min(read["input_tokens"] + read["output_tokens"], _HIGHEST_COUNT),
    }
