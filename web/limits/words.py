"""A limit that was reached, as a program is told, and in the words of a page."""

from __future__ import annotations

from jobs.errors import LimitReached
from jobs.status.translation import Translation, english


def sentence(error: LimitReached, _: Translation = english) -> str:
    """What was reached, and what to do."""
    most = error.most
    match error.name:
        case "jobs_queued":
            return _("You have {most} jobs waiting, as many as you may: send it again when one has begun.", most=most)
        case "requests_a_minute":
            return _("You may send {most} requests a minute: wait a moment, then send it again.", most=most)
        case "open_streams":
            return _("You have {most} streams open, as many as you may: close one, or wait for its end.", most=most)
        case "tokens_a_day":
            return _("You have used the {most} tokens that you have a day: go on after midnight (UTC).", most=most)
        case name:
            return f"{name} is {most}"


def may_soon(error: LimitReached) -> bool:
    """Whether sending it again soon may succeed: SDKs do that for `rate_limit_exceeded`."""
    return error.name != "tokens_a_day"
