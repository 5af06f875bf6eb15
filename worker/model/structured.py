"""Answers in JSON: parsed and held against their schema once, when they are whole.

Never while they are written: a parser of partial JSON takes an answer that was cut off for a good one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson
from langchain_core.utils.json import parse_json_markdown

from jobs.json_schema.validation import first_problem
from jobs.protocol.fold import has_calls, is_refusal, text_of
from jobs.requests.job_request import JobRequest
from worker.model.errors import ModelError

_LONGEST_REASON = 500


class FormatError(ModelError):
    """An answer that is whole, but not in the format that was asked for. `usage` is what it cost."""

    usage: Mapping[str, int] | None = None


def noted(request: JobRequest, text: str) -> dict[str, Any]:
    """What a response's `penstock` object tells of a whole answer: `parsed`, if it is JSON.

    Raises FormatError when JSON was asked for and this is none, or another than its schema describes.
    """
    response_format = (request.text or {}).get("format") or {"type": "text"}
    prompt = request.prompt
    if response_format["type"] != "text":
        try:
            return {"parsed": parsed(text, response_format.get("schema", {"type": "object"}))}
        except ValueError as error:
            message = f"The answer is not the JSON that was asked for: {error}"
            raise FormatError(message, transient=False, cause_code="format_not_met") from error
    if prompt and prompt.runnable and text.startswith("{"):
        with suppress(ValueError):
            return {"parsed": parsed(text, {})}
    return {}


def noted_of(request: JobRequest, response: Mapping[str, Any]) -> dict[str, Any]:
    """The same for the output of a response; neither a refusal nor a call is an answer that could have a format.

    Raises FormatError.
    """
    text = text_of(response)
    return {} if is_refusal(response) or (has_calls(response) and not text) else noted(request, text)


def parsed(text: str, schema: Mapping[str, Any]) -> Any:
    """The JSON in an answer, fenced or not. Raises ValueError, short, when it is none or not as its schema says."""
    try:
        # orjson, because it reads nothing that the response could not hold.
        value = parse_json_markdown(text, parser=orjson.loads)
        orjson.dumps({"response": {"penstock": {"parsed": value}}})
        problem = first_problem(schema, value)
        reason = problem and f"{problem.json_path}: {problem.message}"
    except Exception as error:  # noqa: BLE001  (a schema has as many ways to fail as it has keywords)
        reason = f"{type(error).__name__}: {error}"
    if reason:
        raise ValueError(reason[:_LONGEST_REASON])
    return value
