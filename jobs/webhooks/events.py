"""The events that endpoints are told of, by the names that OpenAI's SDKs know, and the body that tells of one."""

from __future__ import annotations

import orjson

from jobs.errors import InvalidRequest

# No others: the SDKs take an unknown one for an event of another kind.
EVENT_TYPES = (
    *("response.completed", "response.failed", "response.incomplete", "response.cancelled"),
    *("batch.completed", "batch.failed", "batch.expired", "batch.cancelled"),
)


def body_of(delivery_id: str, event_type: str, created_at: float, object_id: str) -> bytes:
    """The body of a delivery: the same bytes at each attempt. It names what has ended, and holds none of its text."""
    event = {
        "id": f"evt_{delivery_id.removeprefix('wh_')}",
        "object": "event",
        "created_at": int(created_at),
        "type": event_type,
        "data": {"id": object_id},
    }
    return orjson.dumps(event)


def check_event_types(event_types: list[str]) -> None:
    """Raises InvalidRequest unless there are some, and each is one that there is."""
    unknown = [name for name in event_types if name not in EVENT_TYPES]
    if unknown or not event_types:
        problem = f"There is no event '{unknown[0]}'" if unknown else "'event_types' is empty"
        raise InvalidRequest(f"{problem}: name some of {', '.join(EVENT_TYPES)}.", param="event_types")
