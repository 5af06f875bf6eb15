"""What a job is called."""

from __future__ import annotations

import time

import pytest

from jobs.requests.job_request import JobRequest
from jobs.requests.prompts import RenderedPrompt
from jobs.requests.title import MAX_LENGTH, title_of


def request(topic: str = "", content: str = "What is asked") -> JobRequest:
    prompt = RenderedPrompt(id="report", variables={"topic": topic}) if topic else None
    return JobRequest(model="m", input=[{"role": "user", "content": content}], prompt=prompt)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# One `two` **three** #\n", "One two three"),
        ("\n### Deep\n# Later", "Deep"),
        ("words\n\n### Deep\n# Later", "Later"),
        ("words\n\n## A part\n", "What is asked"),
        ("####### seven\n#none\n#\n# \n", "What is asked"),
        ("", "What is asked"),
        ("# " + "x" * 200, "x" * (MAX_LENGTH - 1) + "…"),
    ],
)
def test_the_heading_of_the_text_is_the_title(text: str, title: str) -> None:
    assert title_of(request(), text) == title


def test_a_topic_wins() -> None:
    assert title_of(request("The\n moon"), "# Sun") == "The moon"


@pytest.mark.parametrize("text", ["# " + "#" * 130_000 + "x", "#" * 500_000, "# \n" * 200_000, "# " + " \t#" * 200_000])
def test_a_hostile_text_costs_nothing(text: str) -> None:
    began = time.monotonic()
    title_of(request(content=text), text)
    assert time.monotonic() - began < 0.5
