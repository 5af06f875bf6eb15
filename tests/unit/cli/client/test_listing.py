"""`penstock list` in a terminal: one line a job, whatever the terminal's width and the title's script."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from cli.client.listing import lines, record
from jobs.job import Status

NOW = 1_800_000_000.0


def job(number: int = 0, topic: str = "penguins", status: str = "completed", age: float = 5) -> dict[str, Any]:
    prompt = {"id": "report", "variables": {"topic": topic, "words": "900"}}
    told = {"id": f"resp_{number:040x}", "status": status, "created_at": NOW - age, "prompt": prompt, "model": "demo"}
    return {**told, "metadata": {}, "penstock": {}}


@pytest.mark.parametrize("columns", [60, 80, 100, 110, 160])
@pytest.mark.parametrize("topic", ["short", "long " * 60, "人工智能的历史" * 20, "a\nline\x1b[31m break\u2028d"])
def test_no_line_is_wider_than_the_terminal(columns: int, topic: str) -> None:
    jobs = [job(number << 100, topic, status) for number, status in enumerate(Status)]
    printed = list(lines(jobs, columns, NOW))
    assert [cell_len(line) for line in printed] == [columns] * len(Status)
    assert all(len(line.splitlines()) == 1 and "\x1b" not in line for line in printed)


def test_a_line_has_sign_title_age_and_an_id_that_names_one_job() -> None:
    jobs = [job(1 << 100, age=200, status="failed"), job((1 << 100) + 1, age=90_000), job(5 << 140, age=-3)]
    first, second, third = lines(jobs, 80, NOW)
    assert first.startswith("✗ report: penguins ")
    assert "  3 min  resp_" in first
    assert "    1 d  resp_" in second
    assert "    0 s  resp_" in third
    ids = [line.split()[-1] for line in (first, second, third)]
    assert [[each["id"] for each in jobs if each["id"].startswith(start)] for start in ids] == [
        [each["id"]] for each in jobs
    ]


def test_a_wide_terminal_shows_the_status_in_words_and_the_whole_id() -> None:
    (line,) = lines([job(7)], 140, NOW)
    assert "completed" in line
    assert line.endswith(f"resp_{7:040x}")


def test_a_job_that_waits_has_its_place_and_when_it_begins_beside_its_title() -> None:
    waiting = job(7, topic="long " * 60, status="queued")
    waiting["penstock"] = {"status_details": {"code": "in_queue", "place": 3, "total": 12, "eta_seconds": 240}}
    for columns, said in ((80, "3 of 12, about 4 min"), (190, "Number 3 of 12 in the queue, begins in about 4 min.")):
        (line,) = lines([waiting], columns, NOW)
        assert f"…  {said}  " in line
        assert cell_len(line) == columns
    del waiting["penstock"]["status_details"]["eta_seconds"]
    (line,) = lines([waiting], 90, NOW)
    assert "Number 3 of 12 in the queue.  " in line


def test_a_wide_terminal_says_how_a_job_ended() -> None:
    failed = job(7, status="failed") | {"error": {"code": "key_refused", "message": "no"}}
    assert "refuses the key" not in next(lines([failed], 80, NOW))
    assert "The model server refuses the key: give it another" in next(lines([failed], 190, NOW))


def test_another_program_gets_the_whole_of_it() -> None:
    line = record(job(7, topic="two\nlines"))
    assert line.startswith(f"resp_{7:040x}  completed    20")
    assert line.endswith("  report topic=two lines words=900")
    left_open = job() | {"prompt": {"id": "report", "variables": {"audience": "", "topic": "x"}}}
    assert record(left_open).endswith("  report topic=x")
    assert record(job() | {"metadata": {"title": "My birds"}}).endswith("  My birds")


def test_a_line_has_the_title_star_and_labels_of_its_owner_and_the_hit_stands_beneath() -> None:
    filed = job() | {
        "metadata": {"title": "My birds", "starred": "true", "labels": "zoo, draft", "other": "x"},
        "penstock": {"excerpt": "… a penguin\x1b[31m walks " + "on " * 40},
    }
    first, second = lines([filed], 80, NOW)
    assert first.startswith("✓ * My birds [zoo] [draft] ")
    assert second.startswith("  … a penguin[31m walks on ")
    assert cell_len(second) <= 80
