"""A report from a model server that answers what such servers really answer: read from every place that shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from markdown_it import MarkdownIt

from jobs.protocol import events
from tests.support.assertions import assert_in_order, assert_one_end
from tests.support.raw_server import DONE, HOLD, USAGE, RawServer, Reply, answer, chunk, raw_server
from tests.support.raw_server import events as stream_of
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import request

OUTLINE = json.dumps(
    {"title": "Tides", "sections": [{"title": t, "brief": "b", "sources": []} for t in ("The moon", "The coast")]}
)
TOKENS = 7 + 3  # what raw_server's USAGE says of one answer


@dataclass
class Script:
    """What the model server answers, and how often it was asked, by `outline`, the number of a section, `summary`."""

    answers: dict[str, str | Reply] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def reply(self, body: dict[str, Any]) -> Reply:
        words = body["messages"][-1]["content"]
        section = re.search(r"Write section (\d+)", words)
        step = section[1] if section else "summary" if words.startswith("Summarise") else "outline"
        self.requests.append(step)
        default = {"outline": OUTLINE, "summary": "It ebbs."}.get(step, f"Words of section {step}.")
        scripted = self.answers.get(step, default)
        return scripted if isinstance(scripted, Reply) else by_characters(scripted)


def by_characters(text: str, finish: str = "stop") -> Reply:
    """An answer that comes a few characters at a time."""
    pieces = [chunk(text[start : start + 3]) for start in range(0, len(text), 3)]
    return stream_of(*pieces, chunk(finish=finish), USAGE, DONE)


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def server(script: Script) -> Iterator[RawServer]:
    with raw_server(script.reply) as running:
        yield running


@pytest.fixture(scope="module")
def reporting(server: RawServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("reporting") / "data"
    with running_stack(directory, OPENAI_BASE_URL=server.url, PENSTOCK_MODEL="raw") as running:
        yield running


@dataclass
class Report:
    """A report that has ended, as its client saw it."""

    seen: list[Any]
    stored: dict[str, Any]
    url: str

    @property
    def text(self) -> str:
        return str(self.seen[-1].response.output_text)

    @property
    def headings(self) -> list[str]:
        """The headings of the joined Markdown, as a reader of Markdown finds them."""
        tokens = MarkdownIt().parse(self.text)
        return [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]

    def read(self, suffix: str) -> str:
        with request(self.url, f"/jobs/{self.stored['id']}{suffix}", headers={"Accept": "text/html"}) as response:
            assert response.status == 200
            return response.read().decode()

    @property
    def end(self) -> tuple[str, str]:
        return self.stored["status"], self.stored["incomplete_details"]["reason"]


def report(reporting: Stack, script: Script, **answers: str | Reply) -> Report:
    """Have a report written in which the model answers so, and hold every record of it against the others."""
    script.answers = {name.removeprefix("section_"): said for name, said in answers.items()}
    script.requests = []
    prompt: Any = {"id": "report", "variables": {"topic": "the sea", "language": "en"}}
    with reporting.client() as client:
        seen: list[Any] = list(client.responses.create(prompt=prompt, background=True, stream=True))
    assert_in_order(seen)
    stored = assert_one_end(reporting.database, seen[-1].response.id, seen)
    written = Report(seen, stored, reporting.url)
    assert written.read(".md") == written.text
    return written


HEADINGS = ["Tides", "The moon", "The coast", "Summary"]


@pytest.mark.parametrize(
    "outline",
    [
        f"<think>Hm {{}}</think>Here it is:\n```json\n{OUTLINE}\n```\nEnjoy!",
        "# Tides\n\n1. **The moon**: What pulls.\n2. **The coast**: What gives way.\n",
        "{'title': 'Tides', 'chapters': [{'title': '1. The moon',}, {'title': '2. The coast', 'sources': null}],}",
        '{"title": "Tides", "sections": {"1": "The moon", "2": "The coast"}, "note": ["a", "b"]}',
        OUTLINE[:-3],
    ],
)
def test_an_outline_of_any_shape_makes_a_report(reporting: Stack, script: Script, outline: str) -> None:
    written = report(reporting, script, outline=outline)
    assert written.stored["status"] == "completed"
    assert written.headings == HEADINGS
    assert script.requests.count("outline") == 1
    assert [item["penstock"]["title"] for item in written.stored["output"][1:]] == HEADINGS[1:]


def test_an_answer_without_an_outline_is_quoted_and_paid(reporting: Stack, script: Script) -> None:
    written = report(reporting, script, outline="I am sorry, but I cannot plan this.")
    assert written.stored["status"] == "failed"
    assert "“I am sorry, but I cannot plan this.”" in written.stored["error"]["message"]
    assert script.requests == ["outline", "outline"]
    assert written.stored["usage"]["total_tokens"] == 2 * TOKENS


@pytest.mark.parametrize(
    "title", ["## The coast", "**2. The coast**", "2. The coast", "The coast\n---", "# Tides\n\n## The coast"]
)
def test_a_section_does_not_give_its_title_twice(reporting: Stack, script: Script, title: str) -> None:
    written = report(reporting, script, section_2=f"{title}\n\nSand.\n\n### Rock\n\nHard.")
    assert written.headings == ["Tides", "The moon", "The coast", "Rock", "Summary"]
    assert written.text.count("The coast") == 1


def test_a_section_in_a_fence_is_unwrapped(reporting: Stack, script: Script) -> None:
    inner = "Sand.\n\n```python\nx = 1\n```\n\nRock.\n"
    written = report(reporting, script, section_2=f"```markdown\n## The coast\n\n{inner}```")
    assert f"## The coast\n\n{inner}\n## Summary" in written.text


def test_footnotes_and_links_lead_to_those_of_their_section(reporting: Stack, script: Script) -> None:
    def section(number: int) -> str:
        return f"See[^1] [the source][1].\n\n[^1]: Note {number}.\n\n[1]: http://{number}.example\n"

    written = report(reporting, script, section_1=section(1), section_2=section(2))
    assert len(set(re.findall(r"^\[\^(.+?)\]:", written.text, re.MULTILINE))) == 2
    joined = MarkdownIt().render(written.text)
    for html in (written.read(""), written.read(".html"), joined):
        one, two = html.index("http://1.example"), html.index("http://2.example")
        assert one < html.index("Note 1.") < two < html.index("Note 2.")
    for html in (written.read(""), written.read(".html")):
        for number in (1, 2):
            (target,) = re.findall(rf'<li id="(text-fn:[^"]+)" class="footnote-item"><p>Note {number}\.', html)
            assert html.count(f'href="#{target}"') == 1


@pytest.mark.parametrize("language", ["", "py"])
def test_what_follows_a_section_that_was_cut_is_a_heading(reporting: Stack, script: Script, language: str) -> None:
    cut = by_characters(f"Sand:\n\n```{language}\nx = 1", finish="length")
    written = report(reporting, script, section_1=cut)
    assert written.end == ("incomplete", "max_output_tokens")
    assert written.headings == ["Tides", "The moon", "The coast"]
    assert written.read(".html").count("<h2") == 2
    assert "\n\n## The coast\n\n" in written.read(".txt")


def test_what_follows_a_section_that_failed_is_a_heading(reporting: Stack, script: Script) -> None:
    broken = stream_of(chunk("Sand:\n\n~~~~\nx = 1\n"), chunk(finish="error"))
    written = report(reporting, script, section_1=broken)
    assert written.stored["incomplete_details"]["reason"] == "section_failed"
    assert written.headings == ["Tides", "The moon", "The coast"]


def test_what_follows_a_section_that_was_cancelled_is_a_heading(reporting: Stack, script: Script) -> None:
    script.answers = {
        number: stream_of(chunk("Sand and rock:\n\n```\n" + "x = 1\n" * 20), end=HOLD) for number in ("1", "2")
    }
    prompt: Any = {"id": "report", "variables": {"topic": "the sea", "language": "en"}}
    with reporting.client() as client:
        job: Any = client.responses.create(prompt=prompt, background=True)
        wait_for(lambda: client.responses.retrieve(job.id).output_text.count("x = 1") >= 38)
        client.responses.cancel(job.id)
        seen = list(client.responses.retrieve(job.id, stream=True))
    stored = assert_one_end(reporting.database, job.id, seen)
    assert stored["status"] == "cancelled"
    assert Report(seen, stored, reporting.url).headings == ["Tides", "The moon", "The coast"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (stream_of(chunk(reasoning_content="Hm."), chunk(finish="stop"), USAGE, DONE), "only reasoning"),
        (by_characters("<think>Hm.</think>\n"), "only reasoning"),
        (answer(" \n"), "no answer"),
        (answer("## The moon\n"), "no answer"),
    ],
)
def test_a_section_without_a_word_is_a_fault(reporting: Stack, script: Script, said: Reply, words: str) -> None:
    written = report(reporting, script, section_1=said)
    assert written.end == ("incomplete", "section_failed")
    assert words in written.stored["penstock"]["faults"]["1"]
    assert script.requests.count("1") == 3
    assert "Words of section 2." in written.text


def test_sections_come_as_they_are_written(reporting: Stack, script: Script) -> None:
    """Only the beginning of a section is held back: what follows its first line comes in many events."""
    pieces = [chunk("First.\n"), *(chunk("word ") for _ in range(20)), chunk(finish="stop"), DONE]
    written = report(reporting, script, section_2=stream_of(*pieces, gap=0.05))
    deltas = [event.delta for event in written.seen if event.type == events.TEXT_DELTA]
    assert "".join(deltas).count("word ") == 20
    assert sum("word" in delta for delta in deltas) > 3
