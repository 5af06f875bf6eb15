"""When a schedule is due, and what each of its runs asks."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, reset_tzpath

import orjson
import pytest

from jobs.errors import InvalidRequest
from jobs.requests.prompt_folder import Prompts
from jobs.schedules.timing import check_fields, filled, next_times
from jobs.schedules.wish import body_at, request_of


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_times_are_those_of_the_zone_also_when_its_clocks_change() -> None:
    times = next_times("30 9 * * *", "Europe/Berlin", moment("2026-10-24T00:00"), 2)
    assert times == [moment("2026-10-24T07:30"), moment("2026-10-25T08:30")]
    assert next_times("0 8 * * 1", "Asia/Shanghai", moment("2026-11-27T12:00")) == [moment("2026-11-30T00:00")]


def test_zones_that_the_system_does_not_know_are_known() -> None:
    """Browsers still name India's by its old name, which Debian keeps in a package of its own."""
    ZoneInfo.clear_cache()
    reset_tzpath(())
    try:
        assert next_times("0 9 * * *", "Asia/Calcutta", moment("2026-11-27T00:00")) == [moment("2026-11-27T03:30")]
    finally:
        reset_tzpath()


@pytest.mark.parametrize(
    ("cron", "timezone", "param", "words"),
    [
        ("every day", "UTC", "cron", "is no cron expression"),
        ("61 * * * *", "UTC", "cron", "is no cron expression"),
        ("0 0 30 2 *", "UTC", "cron", "cron|never comes"),
        ("0 9 * * *", "Berlin", "timezone", "is no time zone"),
        ("0 9 * * *", "../etc/passwd", "timezone", "is no time zone"),
    ],
)
def test_what_is_wrong_is_named(cron: str, timezone: str, param: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as refused:
        next_times(cron, timezone, moment("2026-11-27T12:00"))
    assert refused.value.param == param


@pytest.mark.parametrize("cron", ["* * * * * *", "0 9 * *", "@daily", ""])
def test_a_schedule_has_five_fields_and_none_of_seconds(cron: str) -> None:
    check_fields("0 9 * * 1-5")
    with pytest.raises(InvalidRequest, match="not five fields"):
        check_fields(cron)


def test_words_for_the_time_of_a_run_are_filled_in() -> None:
    text = "{date} {time} {weekday} {yesterday} {other}"
    assert filled(text, moment("2026-11-27T20:00"), "Asia/Shanghai") == "2026-11-28 04:00 Saturday 2026-11-27 {other}"
    request = {
        "prompt": {"id": "story", "variables": {"topic": "{date}", "words": 60}},
        "input": [{"content": "{time}"}],
    }
    body = orjson.loads(body_at(request, moment("2026-11-27T20:00"), "UTC"))
    assert body["prompt"]["variables"] == {"topic": "2026-11-27", "words": 60}
    assert (body["input"][0]["content"], body["background"]) == ("20:00", True)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"input": "x", "previous_response_id": "resp_1"}, "'previous_response_id' has no place in a schedule"),
        ({"input": "x", "store": True, "stream": True}, "'stream' has no place in a schedule"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "A schedule asks with words"),
        ({"prompt": {"id": "none"}}, "none"),
        ({"input": ""}, "'input' is empty"),
    ],
)
def test_what_cannot_be_repeated_is_refused(request_: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        request_of(body_at(request_, 0.0, "UTC"), Prompts(None), "demo")
