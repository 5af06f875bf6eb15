"""The lines of a log: short, with ids, and without the words of an error."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.up import ROOT

SCRIPT = """
import logging, sys, tempfile
from jobs.background import log_error
from jobs.telemetry.logs import add_log_ids, begin_log_ids, log_ids, set_up_logging
from jobs.storage.database import Database

set_up_logging("info", sys.argv[1])
log = logging.getLogger("web.test")
begin_log_ids(request="req_1")
add_log_ids(job="resp_1")
log.info("POST %s", "/v1/responses", extra={"fields": {"seconds": 0.5}})
begin_log_ids()
with log_ids(job="resp_2"), log_ids(attempt=2):
    log.warning("two\\nlines %s", "x" * 5000)

def deep(number):
    if number:
        deep(number - 1)
    with tempfile.TemporaryDirectory() as directory, Database(f"sqlite:///{directory}/db").read() as connection:
        connection.exec_driver_sql("SELECT SECRET")

try:
    deep(60)
except Exception as error:
    log_error("deep", error)
    log.exception("Error handling request %s", "/jobs?q=SECRET")
log.debug("below")
"""


def lines_of(style: str) -> list[str]:
    """What a process logs that does all of this."""
    command = [sys.executable, "-c", SCRIPT, style]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60, check=True)
    assert "SECRET" not in ended.stderr
    return ended.stderr.splitlines()


@pytest.fixture(scope="module")
def lines() -> list[Any]:
    return [json.loads(line) for line in lines_of("json")]


def test_json_has_the_ids_of_what_a_line_is_about(lines: list[Any]) -> None:
    accepted, attempt, error, library = lines
    assert accepted["event"] == "POST /v1/responses"
    assert (accepted["request"], accepted["job"], accepted["seconds"]) == ("req_1", "resp_1", 0.5)
    assert (accepted["level"], accepted["logger"]) == ("info", "web.test")
    assert (attempt["job"], attempt["attempt"]) == ("resp_2", 2)
    assert "request" not in attempt
    assert not {"job", "attempt"} & {*error, *library}


def test_a_line_is_one_and_has_an_end(lines: list[Any]) -> None:
    assert lines[1]["event"].startswith("two | lines xxx")
    assert len(lines[1]["event"]) < 1100


def test_an_error_is_its_type_and_a_few_places(lines: list[Any]) -> None:
    for line, what in zip(lines[2:], ("deep", "Error handling request"), strict=True):
        assert line["event"].startswith(f"{what}: OperationalError at ")
        places = line["event"].partition(" at ")[2].split(" > ")
        assert 1 <= len(places) <= 4
        assert places[-1].startswith("sqlalchemy/")
        assert not any(place.startswith("/") for place in places)


def test_text_says_the_same() -> None:
    accepted, attempt, error, library = lines_of("text")
    assert accepted.endswith(" INFO web.test POST /v1/responses request=req_1 job=resp_1 seconds=0.5")
    assert attempt.endswith("... job=resp_2 attempt=2")
    assert " WARNING jobs.background deep: OperationalError at " in error
    assert " ERROR web.test Error handling request: OperationalError at " in library
