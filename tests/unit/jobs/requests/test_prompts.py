"""Prompts: what their variables become, and which line says what is wrong with a file or a value."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import BadSetting, InvalidRequest
from jobs.requests import generation as creation
from jobs.requests.job_request import JobRequest, named_model
from jobs.requests.prompt_folder import Prompts
from jobs.requests.prompts import Prompt, language_of, read_prompt

STORY = Prompts(None).get("story", None)
FILE = """
id = "story"
version = "7"
title = { en = "Mine" }
description = { en = "Mine too" }
inputs = { type = "object", required = ["topic"], properties = { topic = {}, n = { type = "number", default = 2 } } }
messages = { en = [{ role = "user", content = "{{ topic }} {{n}} {{topic}}" }] }
"""
SETTINGS = """
model = "large"
parameters = { temperature = 0.2, max_output_tokens = 500, reasoning = { effort = "low" } }

[output]
type = "json_schema"
name = "facts"
schema = { type = "object" }
strict = true

[parts]
core = { en = "[Core]" }
"""


def test_the_built_in_ones_need_a_topic_and_nothing_else() -> None:
    for prompt in Prompts(None):
        for topic, language in (("tides", "en"), ("潮汐", "zh")):
            kept = prompt.render({"topic": topic})
            assert kept.variables["language"] == language == language_of(topic)
            assert any(topic in message["content"] for message in kept.messages)
            assert not any("{{" in message["content"] for message in kept.messages)
    kept = STORY.render({"topic": "tides", "language": "zh"})
    assert kept.variables == {"topic": "tides", "language": "zh", "words": 300}
    assert (kept.id, kept.version, kept.digest) == ("story", "1", STORY.digest)


@pytest.mark.parametrize("topic", ["潮の満ち引き", "ラーメン", "조석", "日本のラーメン", "ﾗｰﾒﾝ"])
def test_a_language_that_has_no_messages_is_left_to_the_model(topic: str) -> None:
    for prompt in Prompts(None):
        rendered = prompt.render({"topic": topic})
        assert rendered.variables["language"] == language_of(topic) == ""
        messages = [*rendered.messages, *(message for step in rendered.plan.values() for message in step)]
        texts = "\n".join(message["content"] for message in messages)
        assert "the language of the topic" in texts
        assert not any(name in texts for name in ("English", "Chinese", "中文", "language_name"))


@given(st.text(min_size=1, max_size=50))
def test_a_variable_is_text_and_nothing_more(topic: str) -> None:
    kept = STORY.render({"topic": topic, "language": "en", "words": "100"})
    assert kept.messages[-1]["content"] == f"Write a story of about 100 words about “{topic}”."
    assert kept.variables == {"topic": topic, "language": "en", "words": 100}  # forms only have text


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
    assert mine.render({"topic": "{{n}}"}).messages == [{"role": "user", "content": "{{n}} 2 {{n}}"}]
    assert [prompt.id for prompt in Prompts(tmp_path)] == [prompt.id for prompt in Prompts(None)]


def test_a_file_says_how_its_model_is_to_work(tmp_path: Path) -> None:
    (tmp_path / "story.toml").write_text(FILE + SETTINGS)
    prompts = Prompts(tmp_path)

    def kept(**body: Any) -> JobRequest:
        asked = creation.CreateRequest.model_validate({"prompt": {"id": "story", "variables": {"topic": "x"}}, **body})
        return JobRequest.from_create(asked, prompts, default_model="server's")

    form = {"type": "json_schema", "name": "facts", "schema": {"type": "object"}, "strict": True}
    by_prompt = kept()
    assert (by_prompt.model, by_prompt.temperature, by_prompt.top_p) == ("large", 0.2, None)
    assert (by_prompt.max_output_tokens, by_prompt.reasoning) == (500, {"effort": "low"})
    assert by_prompt.text == {"format": form}
    # A request's own word wins, one by one.
    by_both = kept(model="own", temperature=0, text={"verbosity": "low"}, reasoning={"summary": "auto"})
    assert (by_both.model, by_both.temperature, by_both.max_output_tokens) == ("own", 0, 500)
    assert (by_both.text, by_both.reasoning) == ({"format": form, "verbosity": "low"}, {"summary": "auto"})
    assert kept(text={"format": {"type": "text"}}).text == {"format": {"type": "text"}}
    with pytest.raises(InvalidRequest, match="'large' does not exist here"):
        JobRequest.from_create(
            creation.CreateRequest.model_validate({"prompt": {"id": "story", "variables": {"topic": "x"}}}),
            prompts,
            default_model="small",
            allowed=["small"],
        )


def test_the_model_of_a_request_is_its_own_or_its_prompts(tmp_path: Path) -> None:
    (tmp_path / "story.toml").write_text(FILE + SETTINGS)
    prompts, story = Prompts(tmp_path), {"id": "story"}
    for body, model in (
        ({"prompt": story}, "large"),
        ({"prompt": story, "model": "own"}, "own"),
        ({"prompt": {"id": "explainer"}}, None),
        ({"input": "x"}, None),
    ):
        assert named_model(creation.CreateRequest.model_validate(body), prompts) == model


def test_sections_are_no_json() -> None:
    body = {"prompt": {"id": "report", "variables": {"topic": "x"}}, "text": {"format": {"type": "json_object"}}}
    with pytest.raises(InvalidRequest, match="sections of text") as caught:
        JobRequest.from_create(
            creation.CreateRequest.model_validate(body), Prompts(None), default_model="m", allowed=()
        )
    assert caught.value.param == "text.format"


def test_headings_are_those_of_the_language() -> None:
    explainer = Prompts(None).get("explainer", None)
    for topic, core in (("tides", "[Core idea]"), ("潮汐", "【核心概念】")):
        kept = explainer.render({"topic": topic})
        assert list(kept.parts) == ["core", "example", "sentence"]
        assert kept.parts["core"] == core
        assert all(heading in kept.messages[0]["content"] for heading in kept.parts.values())
    assert STORY.render({"topic": "tides"}).parts == {}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('id = "story"', 'id = "Story!"', "id: String should match"),
        ('version = "7"', "", "version: Field required"),
        ('version = "7"', 'version = "7"\nverson = "8"', "verson: Extra inputs"),
        ("{{n}}", "{{m}}", "{{m}} is not among its inputs; add [inputs.properties.m]"),
        ("en = [", "fr = [", "messages.fr"),
        ("title = ", "title = = ", "Invalid value (at line 4"),
        ('type = "object"', "type = 5", "inputs"),
        ("properties = {", "variables = {", "properties"),
        ("messages = ", "section = ", "no messages: write [[messages.en]]"),
        ("messages = ", 'runnable = "chains.py"\nmessages = ', "runnable: String should match"),
        ("messages = ", 'runnable = "m:a"\nsection = ', "no messages"),
        ("messages = ", 'runnable = "m:a"\nsection.en = []\nmessages = ', "leave out `runnable` and `output`"),
        ("temperature = 0.2", "temperature = 3", "parameters.temperature: Input should be less than or equal to 2"),
        ("temperature = 0.2", "temprature = 0.2", "parameters.temprature: Extra inputs"),
        ('effort = "low"', 'efort = "low"', "parameters.reasoning.efort: Extra inputs"),
        ('type = "json_schema"', 'type = "yaml"', "output.type: Input should be"),
        ('name = "facts"', "", "output: a format of type json_schema needs a 'name' and a 'schema'"),
        ('schema = { type = "object" }', "schema = { type = 5 }", "output: its schema is not a JSON schema"),
        ("strict", "stric", "output.stric: Extra inputs"),
        ('core = { en = "[Core]" }', 'core = { fr = "[Coeur]" }', "parts.core.fr"),
        ('core = { en = "[Core]" }', "core = {}", "parts.core"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path: Path, before: str, after: str, words: str) -> None:
    path = tmp_path / "story.toml"
    assert before in FILE + SETTINGS
    path.write_text((FILE + SETTINGS).replace(before, after, 1))
    with pytest.raises(BadSetting) as caught:
        Prompts(tmp_path)
    assert str(caught.value).startswith(f"prompt file {path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


MODULES = {
    "good_chain": "made, number = len, 7",
    "chain_with_a_typo": "import no_such_library",
    "chain_that_exits": "raise SystemExit('use me as a library')",
    "chain_in_two_lines": "raise ValueError('first\\nsecond')",
    "jobs": "from . import good_chain; import good_chain as same; made = good_chain.made",
}


def test_a_runnable_lies_beside_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [*sys.path]
    monkeypatch.setattr(sys, "path", [*before])
    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(source)

    def prompt(runnable: str) -> Prompt:
        (tmp_path / "story.toml").write_text(f'{FILE}runnable = "{runnable}"')
        return read_prompt(tmp_path / "story.toml")

    for _ in range(2):
        prompt("good_chain:made").import_runnable()
        prompt("jobs:made").import_runnable()  # not our package of this name
        prompt("json.decoder:JSONDecoder").import_runnable()
    assert sys.path == [*before, str(tmp_path)]
    for runnable, words in (
        ("good_chain:number", "a int is no Runnable"),
        ("good_chain:missing", "AttributeError: .*missing"),
        ("no_such_module:made", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("chain_with_a_typo:made", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("chain_that_exits:made", "SystemExit: use me"),
        ("chain_in_two_lines:made", "ValueError: first second"),
    ):
        named = re.escape(f"prompt file {tmp_path / 'story.toml'}: runnable {runnable}: ")
        with pytest.raises(BadSetting, match=rf"^{named}{words}.*write module:attribute.*"):
            prompt(runnable).import_runnable()


def test_files_that_are_not_there_or_not_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"PENSTOCK_PROMPTS: .*/none is not a directory"):
        Prompts(tmp_path / "none")
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match=r"prompt file .*/x\.toml: "):
        Prompts(tmp_path)
