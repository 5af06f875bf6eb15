"""Prompts: what their variables become, and which line says what is wrong with a file or a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import BadSetting, InvalidRequest
from jobs.prompts import Prompts, language_of

STORY = Prompts(None).get("story", None)
FILE = """
id = "story"
version = "7"
title = { en = "Mine" }
description = { en = "Mine too" }
inputs = { type = "object", required = ["topic"], properties = { topic = {}, n = { type = "number", default = 2 } } }
messages = { en = [{ role = "user", content = "{{ topic }} {{n}} {{topic}}" }] }
"""


def test_the_built_in_ones_need_a_topic_and_nothing_else() -> None:
    for prompt in Prompts(None):
        for topic, language in (("tides", "en"), ("潮汐", "zh")):
            values, messages = prompt.render({"topic": topic})
            assert values["language"] == language == language_of(topic)
            assert any(topic in message["content"] for message in messages)
            assert not any("{{" in message["content"] for message in messages)
    assert STORY.render({"topic": "tides", "language": "zh"})[0] == {"topic": "tides", "language": "zh", "words": 300}


@given(st.text(min_size=1, max_size=50))
def test_a_variable_is_text_and_nothing_more(topic: str) -> None:
    values, messages = STORY.render({"topic": topic, "language": "en", "words": "100"})
    assert messages[-1]["content"] == f"Write a story of about 100 words about “{topic}”."
    assert values == {"topic": topic, "language": "en", "words": 100}  # forms only have text


@pytest.mark.parametrize(
    ("variables", "name", "words"),
    [
        ({}, "topic", "is required"),
        ({"topic": ""}, "topic", "too short|non-empty"),
        ({"topic": 5}, "topic", "not of type 'string'"),
        ({"topic": "x", "words": "many"}, "words", "not of type 'integer'"),
        ({"topic": "x", "words": 10**6}, "words", "maximum of 20000"),
        ({"topic": "x", "language": "fr"}, "language", "not one of"),
        ({"topic": "x", "tone": "warm"}, "tone", "it has topic, words, language"),
    ],
)
def test_a_bad_value_is_named(variables: dict[str, Any], name: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=f"'{name}'.*({words})") as caught:
        STORY.render(variables)
    assert caught.value.param == f"prompt.variables.{name}"


def test_a_prompt_is_found_by_id_and_version() -> None:
    assert Prompts(None).get("story", STORY.version) == STORY
    for prompt_id, version, words in (("poem", None, "there are explainer"), ("story", "9", "has version 1, not 9")):
        with pytest.raises(InvalidRequest, match=words):
            Prompts(None).get(prompt_id, version)


def test_a_users_file_beats_a_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "story.toml").write_text(FILE)
    mine = Prompts(tmp_path).get("story", None)
    assert mine.version == "7"
    assert mine.digest != STORY.digest
    assert mine.render({"topic": "{{n}}"})[1] == [{"role": "user", "content": "{{n}} 2 {{n}}"}]
    assert [prompt.id for prompt in Prompts(tmp_path)] == [prompt.id for prompt in Prompts(None)]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('id = "story"', 'id = "Story!"', "id: String should match"),
        ('version = "7"', "", "version: Field required"),
        ('version = "7"', 'version = "7"\nverson = "8"', "verson: Extra inputs"),
        ("{{n}}", "{{m}}", "{{m}} is not among its inputs"),
        ("en = [", "fr = [", "messages.fr"),
        ("title = ", "title = = ", "Invalid value"),
        ('type = "object"', "type = 5", "inputs"),
        ("properties = {", "variables = {", "properties"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path: Path, before: str, after: str, words: str) -> None:
    path = tmp_path / "story.toml"
    path.write_text(FILE.replace(before, after))
    with pytest.raises(BadSetting) as caught:
        Prompts(tmp_path)
    assert str(caught.value).startswith(f"prompt file {path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_not_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"PENSTOCK_PROMPTS: .*/none is not a directory"):
        Prompts(tmp_path / "none")
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match=r"prompt file .*/x\.toml: "):
        Prompts(tmp_path)
