"""Times, ages and durations in the language of the page. Times are Unix seconds; `page.js` makes them local."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from markupsafe import Markup

from jobs.status import translation
from web.pages.i18n import _

# The end of the year 9999, the last that has a name here.
_LAST = 253402300799


def moment(seconds: float) -> Markup:
    """A point in time, as an element."""
    at = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{} {} UTC</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", _date(at), f"{at:%H:%M}")


def day(seconds: float, *, local: bool) -> Markup:
    """The day of a point in time with its name, as an element if it is to be made `local`."""
    at = datetime.fromtimestamp(min(seconds, _LAST), UTC)
    names = (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"))
    text = f"{names[at.weekday()]} {_date(at)} UTC"
    if not local:
        return Markup.escape(text)
    return Markup('<time class="day" datetime="{}">{}</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", text)


def _date(at: datetime) -> str:
    return _("{year}-{month}-{day}", year=f"{at:%Y}", month=f"{at:%m}", day=f"{at:%d}")


def age(seconds: float) -> Markup:
    """How long ago a point in time is, as an element."""
    at, ago = datetime.fromtimestamp(seconds, UTC), time.time() - seconds
    text = _("just now") if ago < 10 else _("{time} ago", time=translation.rough_duration(ago, _))
    return Markup('<time class="age" datetime="{0}" title="{0}">{1}</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", text)


def duration(seconds: float) -> str:
    """How long something lasts, in its two largest units."""
    return translation.duration(seconds, _)
