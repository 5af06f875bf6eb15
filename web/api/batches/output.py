"""What a batch has written, as the lines of its files: read from the rows of its jobs while they are sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from sqlalchemy import RowMapping

from jobs.job import Status
from jobs.requests.batch_line import CHAT_COMPLETIONS
from jobs.storage.batches.batches import EXPIRED, Batches, Line
from web.api.chat.completion import completion

_CANCELLED = {"code": "batch_cancelled", "message": "The batch was cancelled before this line had its answer."}
_EXPIRED = {"code": "batch_expired", "message": "The batch's time was over before this line had its answer."}


def output_lines(batches: Batches, batch: RowMapping, kind: str) -> Iterator[bytes]:
    """The lines of a batch's file of outputs, or of errors."""
    for line in batches.lines(batch["id"], kind):
        yield orjson.dumps(_wire(batch, line), option=orjson.OPT_APPEND_NEWLINE)


def _wire(batch: RowMapping, line: Line) -> dict[str, Any]:
    error, answer = None, None
    if line.status is Status.CANCELLED:
        error = _EXPIRED if batch["status"] == EXPIRED else _CANCELLED
    elif line.status is Status.FAILED:
        failure = {"type": "server_error", "param": None, **(line.response["error"] or {})}
        answer = {"status_code": 500, "request_id": line.job_id, "body": {"error": failure}}
    else:
        is_chat = batch["endpoint"] == CHAT_COMPLETIONS
        body = completion(line.response) if is_chat else line.response
        answer = {"status_code": 200, "request_id": line.job_id, "body": body}
    request_id = f"batch_req_{line.job_id.removeprefix('resp_')}"
    return {"id": request_id, "custom_id": line.custom_id, "response": answer, "error": error}
