"""Times, ages and durations in the language of the page. Times are Unix seconds; `page.js` makes them local."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from markupsafe import Markup

from jobs.status import translation
from web.pages.i18n import _


def moment(seconds: float) -> Markup:
    """A point in time, as an element."""
    at = datetime.fromtimestamp(seconds, UTC)
    day = _("{year}-{month}-{day}", year=f"{at:%Y}", month=f"{at:%m}", day=f"{at:%d}")
    return Markup('<time datetime="{}">{} {} UTC</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", day, f"{at:%H:%M}")


def age(seconds: float) -> Markup:
    """How long ago a point in time is, as an element."""
    at, ago = datetime.fromtimestamp(seconds, UTC), time.time() - seconds
    text = _("just now") if ago < 10 else _("{time} ago", time=translation.rough_duration(ago, _))
    return Markup('<time class="age" datetime="{0}" title="{0}">{1}</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", text)


def duration(seconds: float) -> str:
    """How long something lasts, in its two largest units."""
    return translation.duration(seconds, _)
