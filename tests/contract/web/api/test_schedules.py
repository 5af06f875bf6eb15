"""Schedules over HTTP, on the page and from the command line; a worker makes their runs."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx2
import openai
import pytest
from sqlalchemy import update

from jobs.storage.database import Database
from jobs.storage.schedules.tables import schedules as table
from tests.support.stack import Stack, wait_for
from tests.support.wire import fetch

TEXT = "news of {date} [[demo rate=0 tokens=3]]"


def call(penstock: Stack, path: str = "", method: str = "POST", **body: Any) -> tuple[int, Any]:
    return fetch(penstock.url, f"/v1/schedules{path}", method=method, body=json.dumps(body).encode())


def made(penstock: Stack, name: str) -> Any:
    status, schedule = call(penstock, name=name, cron="0 9 * * *", request={"input": TEXT})
    assert status == 200, schedule
    return schedule


def test_a_schedule_is_run_when_it_is_due_and_when_asked(penstock: Stack, client: openai.OpenAI) -> None:
    schedule = made(penstock, "Due")
    path = f"/{schedule['id']}"
    assert len(schedule["next_runs"]) == 5
    assert schedule["next_runs"][0] > time.time()
    database = Database(penstock.settings.database)
    with database.write() as connection:
        connection.execute(update(table).where(table.c.id == schedule["id"]).values(due_at=time.time() - 1))
    wait_for(lambda: call(penstock, path, "GET")[1]["last_response_id"])
    job: Any = client.responses.retrieve(call(penstock, path, "GET")[1]["last_response_id"])
    assert (job.metadata["labels"], job.background) == ("Due", True)
    status, again = call(penstock, f"{path}/run")
    assert (status, again["id"] != job.id) == (200, True)
    assert call(penstock, path, "GET")[1]["last_response_id"] == again["id"]
    assert call(penstock, path, paused=True)[1]["next_runs"] == []
    assert len(call(penstock, path, paused=False)[1]["next_runs"]) == 5
    assert schedule["id"] in [one["id"] for one in call(penstock, "", "GET")[1]["data"]]
    assert call(penstock, path, "DELETE")[1]["deleted"] is True
    assert call(penstock, path, "GET")[0] == 404


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"cron": "often"}, "cron"),
        ({"timezone": "Mars"}, "timezone"),
        ({"request": {"prompt": {"id": "none"}}}, "prompt"),
        ({"name": ""}, "name"),
        ({"request": {"input": "x", "stream": True}}, "request.stream"),
    ],
)
def test_what_could_not_run_is_refused(penstock: Stack, changes: dict[str, Any], param: str) -> None:
    body = {"name": "x", "cron": "0 9 * * *", "request": {"input": "x"}, **changes}
    status, refused = call(penstock, **body)
    assert status == 400
    assert str(refused["error"]["param"]).startswith(param)


def test_the_page_makes_shows_and_changes_them(penstock: Stack, client: openai.OpenAI) -> None:
    job = client.responses.create(
        prompt={"id": "story", "variables": {"topic": "a kite [[demo rate=0 tokens=3]]"}}, background=True
    )
    with httpx2.Client(base_url=penstock.url, trust_env=False, timeout=60) as browser:
        assert "topic=a kite" in browser.get(f"/schedules?from={job.id}").text
        assert browser.get("/schedules?from=resp_none").status_code == 404
        form = {"act": "add", "name": "Kites", "cron": "0 9 * * *", "timezone": "Asia/Shanghai", "prompt": "story"}
        assert "no cron expression" in browser.post("/schedules", data={**form, "cron": "x", "words": "topic=x"}).text
        assert "not five fields" in browser.post("/schedules", data={**form, "cron": "* * * * * *"}).text
        assert "is no variable" in browser.post("/schedules", data={**form, "words": "topic"}).text
        assert browser.post("/schedules", data={**form, "words": "topic=kites of {date}"}).status_code == 303
        page = browser.get("/schedules", headers={"Accept-Language": "zh"}).text
        assert "Kites" in page
        assert page.count("01:00 UTC") == 5
        schedule = next(one for one in call(penstock, "", "GET")[1]["data"] if one["name"] == "Kites")
        assert schedule["request"]["prompt"]["variables"] == {"topic": "kites of {date}"}
        for act in ("pause", "resume", "delete"):
            assert browser.post("/schedules", data={"act": act, "id": schedule["id"]}).status_code == 303
        assert browser.post("/schedules", data={"act": "run", "id": schedule["id"]}).status_code == 404
