"""The languages of the pages: no text without a translation, no translation without a text, filled in as asked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
from flask import Flask
from jinja2 import Environment, nodes

from jobs.job import Status
from jobs.protocol.response import ATTEMPT_REASONS
from jobs.requests.prompts import BUILT_IN, read_prompt
from jobs.status.sentences import SENTENCES
from tests.support.up import ROOT
from web.pages.dates import age, duration
from web.pages.i18n import IN_SCRIPT, _, script_words, texts, with_code
from web.pages.layout import place_here
from worker.writing.section import WAS_REASONING

WEB = ROOT / "web"


def asked_in_templates() -> Iterator[str]:
    for path in WEB.glob("templates/*.html"):
        for call in Environment(autoescape=True).parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
            match call:
                case nodes.Call(node=nodes.Name(name="_"), args=[nodes.Const(value=str() as text), *_rest]):
                    yield text


def asked_in_code() -> Iterator[str]:
    for path in [*WEB.rglob("*.py"), ROOT / "jobs" / "status" / "translation.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="_"), args=[ast.Constant(value=str() as text), *_rest]):
                    yield text


def refusals() -> Iterator[str]:
    """What is said of files, wherever they are refused: messages with places for values."""
    for path in [*WEB.rglob("*.py"), *(ROOT / "jobs").rglob("*.py"), *(ROOT / "worker").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Unreadable" | "_refusal"), args=[ast.Constant(value=str() as text)]):
                    yield text
                case ast.Call(
                    func=ast.Name(id="InvalidRequest"), args=[ast.Constant(value=str() as text)], keywords=named
                ):
                    if any(each.arg in ("values", None) for each in named):
                        yield text


def asked_in_scripts() -> Iterator[str]:
    for path in WEB.glob("static/*.js"):
        yield from IN_SCRIPT.findall(path.read_text(encoding="utf-8"))


def asked_with_data() -> Iterator[str]:
    """Texts that stand elsewhere: the statuses, what is said of them, why text was begun again, built-in prompts."""
    yield from (status.replace("_", " ") for status in Status)
    yield from (text for alternatives in SENTENCES.values() for text in alternatives)
    yield from (*ATTEMPT_REASONS, WAS_REASONING)
    for prompt in map(read_prompt, sorted(BUILT_IN.glob("*.toml"))):
        for schema in prompt.inputs["properties"].values():
            yield from (schema[field] for field in ("title", "description") if field in schema)


def asked() -> set[str]:
    return {*asked_in_templates(), *asked_in_code(), *asked_in_scripts(), *asked_with_data(), *refusals()}


def test_the_ways_to_ask_are_seen() -> None:
    assert "Sign out" in set(asked_in_templates())
    assert "just now" in set(asked_in_code())
    assert "in progress" in set(asked_with_data())
    assert "{name}: it is encrypted: save it without a password." in set(refusals())


def test_every_text_is_there_in_chinese() -> None:
    assert asked() - texts("zh").keys() == set()


def test_no_entry_is_dead() -> None:
    assert texts("zh").keys() - asked() == set()


@pytest.mark.parametrize("language", ["zh"])
def test_a_translation_has_the_places_of_its_text(language: str) -> None:
    def places(text: str) -> set[str]:
        return {name for _text, name, _spec, _kind in Formatter().parse(text) if name}

    assert {text: said for text, said in texts(language).items() if places(text) != places(said)} == {}


def test_scripts_name_their_texts() -> None:
    """A text that a script made up would not be among those that it is given."""
    made_up = [
        f"{path.name}: {call}"
        for path in sorted(Path(WEB / "static").glob("*.js"))
        for call in re.findall(r'(?<!function )\b_\((?!")[^)]*\)', path.read_text(encoding="utf-8"))
    ]
    assert made_up == []


def test_numbers_and_plurals() -> None:
    app = Flask(__name__)
    with app.test_request_context(headers={"Accept-Language": "de, en;q=0.5"}):
        assert [_("one job|{n} jobs", n=n) for n in (0, 1, 1234)] == ["0 jobs", "one job", "1,234 jobs"]
        assert (duration(59.6), duration(3600 * 30)) == ("1 min 0 s", "1 d 6 h")
        assert script_words() == "{}"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}, "3 秒"),
        ({"Accept-Language": "zh-CN", "Cookie": "lang=en"}, "3 s"),
        ({"Accept-Language": "fr", "Cookie": "lang=zh"}, "3 秒"),
        ({"Accept-Language": "fr", "Cookie": "lang=xx"}, "3 s"),
        ({}, "3 s"),
    ],
)
def test_what_was_chosen_wins_over_what_the_browser_prefers(headers: dict[str, str], said: str) -> None:
    with Flask(__name__).test_request_context(headers=headers):
        assert duration(3) == said
        assert "<time " in age(0)


def test_commands_in_a_sentence_are_code_and_all_else_is_text() -> None:
    assert with_code("start `penstock worker` <b>`&`") == (
        "start <code>penstock worker</code> &lt;b&gt;<code>&amp;</code>"
    )


@pytest.mark.parametrize(
    "elsewhere", ["", "//example.com", "/\\example.com", "https://example.com", "\\\\x", "/a\n/b", "jobs", "/\t/x"]
)
def test_only_a_place_here_is_gone_back_to(elsewhere: str) -> None:
    assert place_here(elsewhere) == "/"
    here = "/jobs?status=failed&q=%2F%2Fexample.com"
    assert place_here(here) == here
