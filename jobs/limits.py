"""What one owner may have. Zero everywhere means: any number."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class OwnerLimits:
    """Jobs waiting and running, creates a minute, open streams, characters of one answer, tokens a day (UTC)."""

    jobs_queued: int = 0
    jobs_running: int = 0
    requests_a_minute: int = 0
    open_streams: int = 0
    answer_characters: int = 0
    tokens_a_day: int = 0


LIMIT_NAMES = tuple(field.name for field in fields(OwnerLimits))
HIGHEST_LIMIT = 2**31 - 1
