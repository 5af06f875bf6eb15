"""The first page: its forms are made of the prompts' inputs, what they send is what a job keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx2
import pytest

from jobs.job import Job
from jobs.storage.store import Store
from tests.support.markup import Markup
from tests.support.stack import Stack, running_stack
from tests.support.wire import create
from web.auth import LOCAL_OWNER

TEAM = """
id = "letter"
version = "1"
title.en = "{Letter}|draft"
description.en = "A letter"
inputs.required = ["to"]
inputs.properties.to = { type = "string", title = "To whom", description = "A name.", minLength = 2, maxLength = 40 }
inputs.properties.urgent = { type = "boolean" }
inputs.properties.warmth = { type = "number", minimum = 0.5, maximum = 1 }
inputs.properties.style = { enum = ["short", "long"], default = "long" }
messages.en = [{ role = "user", content = "Write to {{to}}, {{style}}, {{urgent}}, {{warmth}}." }]
parameters = { temperature = 0.25 }
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock that has no worker, and a prompt of its own: what is asked stays as it was asked."""
    directory = tmp_path_factory.mktemp("no_worker")
    prompts = directory / "prompts"
    prompts.mkdir()
    (prompts / "letter.toml").write_text(TEAM, encoding="utf-8")
    with running_stack(directory / "data", workers=0, PENSTOCK_PROMPTS=str(prompts)) as running:
        yield running


@pytest.fixture
def browser(stack: Stack) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=stack.url, trust_env=False, headers={"Origin": stack.url}) as client:
        yield client


def kept(stack: Stack, answer: httpx2.Response) -> Job:
    """The job to whose page a form has led."""
    assert answer.status_code == 303, answer.text
    return Store(stack.database).get(LOCAL_OWNER, answer.headers["Location"].rpartition("/")[2])


def form(page: Markup, prompt: str) -> dict[str, str]:
    """What the form of a prompt is filled in with."""
    number = next(
        number
        for number, _form in enumerate(page.all("form"))
        if page.fields(number).get("prompt", "none") == prompt and "request.model" in page.fields(number)
    )
    return page.fields(number)


@pytest.mark.parametrize("path", ["/", "/?prompt=report"])
def test_a_new_form_has_the_defaults_of_its_prompt(browser: httpx2.Client, path: str) -> None:
    filled = form(Markup(browser.get(path).text), "report")
    assert (filled["words"], filled["sections"]) == ("1500", "0")


def test_a_form_says_what_may_be_sent(browser: httpx2.Client) -> None:
    page = Markup(browser.get("/", params={"prompt": "letter"}).text)
    assert page.faults == []
    (to,) = page.all("input", name="to")
    assert {"required", "minlength", "maxlength", "aria-describedby"} <= to.attributes.keys()
    assert (to.attributes["minlength"], to.attributes["maxlength"]) == ("2", "40")
    assert "A name." in [one.text for one in page.all("p", id=to.attributes["aria-describedby"])]
    (warmth,) = page.all("input", name="warmth")
    assert (warmth.attributes["min"], warmth.attributes["max"], warmth.attributes["step"]) == ("0.5", "1", "any")
    (words,) = page.all("input", name="words", id="story-words")
    assert (words.attributes["type"], words.attributes["value"], words.attributes["min"]) == ("number", "300", "50")
    (temperature,) = page.all("input", name="request.temperature", id="letter-request.temperature")
    assert temperature.attributes["placeholder"] == "0.25"
    assert [one.text for one in page.all("h2", id="letter-title")] == ["{Letter}|draft"]
    assert "checked" in next(one for one in page.all("label") if one.text.strip() == "{Letter}|draft").text or any(
        "checked" in one.attributes and one.parents[-1].text.strip() == "{Letter}|draft" for one in page.all("input")
    )


def test_a_form_asks_for_what_it_says(stack: Stack, browser: httpx2.Client) -> None:
    sent = {"prompt": "letter", "to": "Ada", "urgent": "", "warmth": "0.75", "style": "short"}
    more = {
        "request.model": "demo+rate=0",
        "request.temperature": "1.5",
        "request.top_p": "",
        "request.max_output_tokens": "77",
        "request.reasoning.effort": "low",
        "request.service_tier": "flex",
        "request.instructions": "Be kind.",
    }
    request = kept(stack, browser.post("/jobs", data=sent | more)).request
    assert request.variables == {"to": "Ada", "warmth": 0.75, "style": "short", "language": "en"}
    assert (request.model, request.temperature, request.top_p) == ("demo+rate=0", 1.5, None)
    assert (request.max_output_tokens, request.service_tier) == (77, "flex")
    assert ((request.reasoning or {})["effort"], request.instructions) == ("low", "Be kind.")
    assert kept(stack, browser.post("/jobs", data=sent | {"request.temperature": ""})).request.temperature == 0.25


def test_yes_and_no_are_sent_as_such(stack: Stack, browser: httpx2.Client) -> None:
    for said, meant in (("true", True), ("false", False)):
        job = kept(stack, browser.post("/jobs", data={"prompt": "letter", "to": "Ada", "urgent": said}))
        assert job.request.variables["urgent"] is meant


def test_free_text_needs_no_prompt(stack: Stack, browser: httpx2.Client) -> None:
    job = kept(
        stack, browser.post("/jobs", data={"prompt": "", "request.input": "Why?", "request.instructions": "Rhyme."})
    )
    assert job.request.prompt is None
    assert job.request.input == [{"role": "user", "content": "Why?"}]
    assert job.request.instructions == "Rhyme."


@pytest.mark.parametrize(
    ("sent", "at", "said"),
    [
        ({"prompt": "letter", "to": "X"}, "letter-to", "too short"),
        ({"prompt": "letter", "to": ""}, "letter-to", "required"),
        ({"prompt": "story", "topic": "tea", "words": "many"}, "story-words", "not of type"),
        ({"prompt": "story", "topic": "tea", "request.temperature": "9"}, "story-request.temperature", "less than"),
        ({"prompt": "", "request.input": ""}, "ask-request.input", "empty"),
        ({"prompt": "nothing", "topic": "tea"}, None, "There is no prompt"),
        ({"prompt": "story", "topic": "tea", "colour": "red"}, None, "has no variable"),
        ({"prompt": "story", "topic": "tea", "request.tools": "[]"}, None, "has no variable"),
    ],
)
def test_what_is_wrong_is_said_beside_it(
    browser: httpx2.Client, sent: dict[str, str], at: str | None, said: str
) -> None:
    answer = browser.post("/jobs", data=sent)
    assert answer.status_code == 400
    page = Markup(answer.text)
    assert page.faults == []
    assert said in page.all("p", role="alert")[0].text
    wrong = [one.attributes for one in page.elements if one.attributes.get("aria-invalid")]
    assert [one["id"] for one in wrong] == ([at] if at else [])
    for one in wrong:
        assert said in page.all("p", id=one["aria-describedby"].split()[0])[0].text
    for name, value in sent.items():
        if at:
            assert form(page, sent["prompt"])[name] == value


def test_a_form_is_filled_in_from_an_old_job(stack: Stack, browser: httpx2.Client) -> None:
    sent = {"prompt": "story", "topic": "tea & <b>milk</b>", "words": "444", "request.top_p": "0.5"}
    old = kept(stack, browser.post("/jobs", data=sent))
    page = Markup(browser.get("/", params={"from": old.id}).text)
    assert page.faults == []
    filled = form(page, "story")
    assert {name: filled[name] for name in sent} == sent
    again = kept(stack, browser.post("/jobs", data=filled))
    assert replace(again.request, model="") == replace(old.request, model="")

    asked = create(stack.url, input="First.", instructions="Rhyme.")["id"]
    page = Markup(browser.get("/", params={"from": asked}).text)
    filled = form(page, "")
    assert (filled["request.input"], filled["request.instructions"]) == ("First.", "Rhyme.")
    assert browser.get("/", params={"from": f"resp_{'0' * 40}"}).status_code == 404


def test_only_the_allowed_models_can_be_chosen(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        running_stack(tmp_path_factory.mktemp("few") / "data", workers=0, PENSTOCK_MODELS="demo,demo-2") as few,
        httpx2.Client(base_url=few.url, trust_env=False) as browser,
    ):
        page = Markup(browser.get("/").text)
        assert page.faults == []
        (choice,) = page.all("select", id="story-request.model")
        offered = [one.attributes["value"] for one in page.all("option") if choice in one.parents]
        assert offered == ["demo", "demo-2"]
        refused = browser.post("/jobs", data={"prompt": "story", "topic": "tea", "request.model": "other"})
        assert refused.status_code == 400
        assert "does not exist here" in refused.text


@pytest.mark.parametrize("path", ["/", "/jobs", "/system", "/openapi", "/signin"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_is_well_made_in_every_language(browser: httpx2.Client, path: str, language: str) -> None:
    answer = browser.get(path, headers={"Accept-Language": language})
    page = Markup(answer.text)
    assert (answer.status_code, page.faults) == (200, [])
    assert page.all("html")[0].attributes["lang"] == language
    policy = answer.headers["Content-Security-Policy"]
    assert "require-trusted-types-for 'script'; trusted-types penstock" in policy
    assert "unsafe" not in policy


def test_the_language_is_chosen_by_a_form_and_kept(stack: Stack, browser: httpx2.Client) -> None:
    assert "想写什么" not in browser.get("/").text
    answer = browser.post("/language", data={"language": "zh", "next": "/jobs?status=failed"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs?status=failed")
    assert "想写什么" in browser.get("/").text
    assert "报告" in browser.get("/").text
    assert browser.post("/language", data={"language": "xx", "next": "/"}).status_code == 400
    for elsewhere in ("https://example.com/", "//example.com/", "/\\example.com"):
        answer = browser.post("/language", data={"language": "en", "next": elsewhere})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "想写什么" not in browser.get("/").text
    assert browser.get("/language").status_code == 405
    foreign = browser.post("/language", data={"language": "zh"}, headers={"Origin": "http://example.com"})
    assert foreign.status_code == 403


def test_the_page_needs_neither_redis_nor_the_model_server(stack: Stack, browser: httpx2.Client) -> None:
    with stack.frozen_redis():
        assert browser.get("/", timeout=10).status_code == 200
        kept(stack, browser.post("/jobs", data={"prompt": "story", "topic": "alone"}, timeout=2))
