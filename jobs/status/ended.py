"""How a job has ended, out of its response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.status.details import StatusDetails


def details_of(response: Mapping[str, Any]) -> StatusDetails:
    """The details of a response, as it tells them; else as an older one, that has ended, allows to say."""
    told = response.get("penstock", {}).get("status_details")
    return StatusDetails.from_wire(told) if told else ended_details(response)


def ended_details(response: Mapping[str, Any], cause: StatusDetails | None = None) -> StatusDetails:
    """The details of a response that ends now; `cause` is that of a failure, if it is known."""
    if error := response.get("error"):
        return cause or StatusDetails(error["code"])
    if response["status"] == "cancelled":
        return StatusDetails("cancelled")
    if incomplete := response.get("incomplete_details"):
        return StatusDetails(incomplete["reason"], dict(_incomplete_values(response)))
    return StatusDetails(_completed_code(response))


def _incomplete_values(response: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    penstock = response["penstock"]
    match response["incomplete_details"]["reason"]:
        case "max_output_tokens" if limit := response.get("max_output_tokens"):
            yield "limit", limit
        case "section_failed" if "progress" in penstock:
            yield "failed", len(penstock["faults"])
            yield "total", penstock["progress"]["total"]


def _completed_code(response: Mapping[str, Any]) -> str:
    messages = [item for item in response.get("output", ()) if item["type"] == "message"]
    parts = [part["type"] for item in messages for part in item["content"]]
    if "refusal" in parts:
        return "refused"
    if notice := response.get("penstock", {}).get("notice"):
        return "only_reasoning" if "only reasoning" in notice else "no_answer"
    return "completed"
