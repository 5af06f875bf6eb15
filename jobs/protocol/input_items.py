"""What a job was asked, as the items of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.job import Job
from jobs.protocol.ids import input_item_id
from jobs.requests.messages import CALL, CALL_OUTPUT


def input_items(job: Job) -> list[dict[str, Any]]:
    """The job's own messages, calls and outputs of calls, in order: those of its prompt, then its input."""
    return [_item(job.id, number, message) for number, message in enumerate(job.request.messages)]


def _item(job_id: str, number: int, message: Mapping[str, str]) -> dict[str, Any]:
    match message.get("type"):
        case "function_call":
            fields = {"type": CALL, **{name: message[name] for name in ("call_id", "name", "arguments")}}
            return {"id": input_item_id("fc", job_id, number), "status": "completed", **fields}
        case "function_call_output":
            fields = {"type": CALL_OUTPUT, "call_id": message["call_id"], "output": message["content"]}
            return {"id": input_item_id("fco", job_id, number), "status": "completed", **fields}
    answered = message["role"] == "assistant"
    part = {"type": "output_text", "annotations": []} if answered else {"type": "input_text"}
    return {
        "id": input_item_id("msg", job_id, number),
        "type": "message",
        "status": "completed",
        "role": message["role"],
        "content": [{**part, "text": message["content"]}],
        **({"phase": message["phase"]} if "phase" in message else {}),
    }
