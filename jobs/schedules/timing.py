"""The times of a schedule: a cron expression in a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from jobs.errors import InvalidRequest

_FIELDS = 5


def check_fields(cron: str) -> None:
    """Raises InvalidRequest for an expression with other fields than those of minutes and longer.

    The library takes a sixth for seconds: a slip would make a job each second.
    """
    if len(cron.split()) != _FIELDS:
        raise _no_expression(cron, "not five fields")


def next_times(cron: str, timezone: str, after: float, most: int = 1) -> list[float]:
    """The next times after a moment, in Unix seconds. Raises InvalidRequest that names what is wrong."""
    zone = zone_of(timezone)
    try:
        found = islice(CronSim(cron, datetime.fromtimestamp(after, zone)), most)
        times = [moment.timestamp() for moment in found]
    except CronSimError as error:
        raise _no_expression(cron, str(error)) from error
    if not times:
        raise InvalidRequest(f"'{cron[:100]}' never comes.", param="cron")
    return times


def _no_expression(cron: str, reason: str) -> InvalidRequest:
    words = f"'{cron[:100]}' is no cron expression ({reason}): write minute hour day month weekday, as '0 9 * * 1-5'."
    return InvalidRequest(words, param="cron")


def zone_of(timezone: str) -> ZoneInfo:
    """The time zone of this name. Raises InvalidRequest."""
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:  # as the name is unknown, or no name, or that of a folder
        words = f"'{timezone[:64]}' is no time zone: write one as 'Europe/Berlin'."
        raise InvalidRequest(words, param="timezone") from error


def filled(text: str, due: float, timezone: str) -> str:
    """A text with the date and time of a run where it says `{date}`, `{time}`, `{weekday}` or `{yesterday}`."""
    moment = datetime.fromtimestamp(due, UTC).astimezone(zone_of(timezone))
    values = {
        "{date}": f"{moment:%Y-%m-%d}",
        "{time}": f"{moment:%H:%M}",
        "{weekday}": f"{moment:%A}",
        "{yesterday}": f"{moment - timedelta(days=1):%Y-%m-%d}",
    }
    for name, value in values.items():
        text = text.replace(name, value)
    return text
