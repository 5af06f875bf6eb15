"""A report: planned first, its sections written side by side, each kept for good once it is finished."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from jobs.protocol import events
from jobs.protocol.fold import fold
from tests.support.assertions import assert_in_order, assert_one_end, row_of
from tests.support.stack import Stack, Viewer, running_stack, wait_for
from tests.support.wire import fetch, raw_stream

# What a test wants to happen to the sections stands in a prompt of its own: `faults` in that of section {{number}}.
PROMPT = """
id = "plan"
version = "1"
[title]
en = "Plan"
[description]
en = "A plan"
[inputs]
type = "object"
required = ["topic"]
[inputs.properties]
topic = {type = "string"}
sections = {type = "integer", default = 3}
words = {type = "integer", default = 120}
[[messages.en]]
role = "user"
content = "Plan “{{topic}}” in {{sections}} sections"
[[section.en]]
role = "user"
content = "About “{{topic}}”: section {{number}} of {{title}}, {{section}}, {{section_words}} words [[demo %s]]"
[[summary.en]]
role = "user"
content = "About “{{topic}}”: summarise {{report}} in 50 words"
"""


@pytest.fixture
def planned(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A Penstock with the prompt `plan`, whose sections have the directives that the test is parametrised with."""
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    (prompts / "plan.toml").write_text(PROMPT % request.param)
    with running_stack(tmp_path / "data", PENSTOCK_PROMPTS=str(prompts), PENSTOCK_SECTION_CONCURRENCY="2") as running:
        yield running


def plan(client: openai.OpenAI, topic: str, **variables: str) -> Any:
    return client.responses.create(prompt={"id": "plan", "variables": {"topic": topic, **variables}}, background=True)


def done(client: openai.OpenAI, job_id: str) -> Any:
    """The job, once it has ended."""
    return wait_for(lambda: found if (found := client.responses.retrieve(job_id)).status not in LIVE else None, 60)


LIVE = ("queued", "in_progress")


@pytest.mark.parametrize(("topic", "summary"), [("tides", "Summary"), ("潮汐", "总结")])
def test_a_report_is_read_in_the_order_of_its_outline(
    client: openai.OpenAI, penstock: Stack, topic: str, summary: str
) -> None:
    variables: Any = {"topic": topic, "words": "600", "sections": "4", "source": "a source\n\n" * 2000}
    prompt: Any = {"id": "report", "variables": variables}
    found: list[Any] = list(client.responses.create(prompt=prompt, background=True, stream=True))
    final: Any = found[-1].response
    assert_in_order(found)
    stored = assert_one_end(penstock.database, final.id, found)

    assert final.status == "completed"
    outline = stored["penstock"]["outline"]
    titles = [section["title"] for section in outline["sections"]]
    assert len(titles) == 4
    headings = [line for line in final.output_text.split("\n") if line.startswith(("# ", "## "))]
    assert headings == [f"# {outline['title']}", *(f"## {title}" for title in (*titles, summary))]
    plan_item, *sections = final.output
    assert plan_item.type == "reasoning"
    assert all(title in plan_item.summary[0].text for title in titles)
    assert [item.to_dict()["penstock"]["title"] for item in sections] == [*titles, summary]
    progress = stored["penstock"]["progress"]
    assert (progress["done"], progress["total"]) == (5, 5)
    assert 300 < progress["words"] < 1500
    for section, item in zip(progress["sections"], stored["output"][1:], strict=True):
        assert 0 <= section["started"] <= section["ended"] <= stored["penstock"]["timing"]["total"] + 0.1
        assert (section["started"], section["ended"]) == (item["penstock"]["started"], item["penstock"]["ended"])
    row = row_of(penstock.database, final.id)
    assert (row.words, row.tokens, row.error) == (progress["words"], final.usage.output_tokens, None)
    noted = {name: progress[name] for name in ("done", "total", "words")}
    assert json.loads(row.progress) == {**noted, "curve": stored["penstock"]["curve"]}
    assert final.usage.output_tokens > 300

    added = [event for event in found if event.type == events.ITEM_ADDED]
    first_text = next(event for event in found if event.type == events.TEXT_DELTA)
    assert all(event.sequence_number < first_text.sequence_number for event in added)  # the structure comes first
    assert [event.output_index for event in added] == list(range(6))


def test_the_stream_helpers_take_a_report(client: openai.OpenAI) -> None:
    prompt: Any = {"id": "report", "variables": {"topic": "tides", "words": "200", "sections": "2"}}
    with client.responses.stream(input=" ", model="demo+rate=0+first=0", prompt=prompt, background=True) as helper:
        final = helper.get_final_response()
    assert final.output_text == client.responses.retrieve(final.id).output_text


@pytest.mark.parametrize("refused", ["json_schema", "response_format"])
def test_an_outline_is_had_from_a_server_that_knows_no_schemas(client: openai.OpenAI, refused: str) -> None:
    variables: Any = {"topic": "tides", "words": "100", "sections": "2"}
    model = f"demo+rate=0+first=0+refuses={refused}"
    job = client.responses.create(model=model, prompt={"id": "report", "variables": variables})
    assert (job.status, job.output_text.count("\n## ")) == ("completed", 3)


def test_a_model_that_gives_no_outline_fails_the_job_after_one_repair(client: openai.OpenAI, penstock: Stack) -> None:
    job: Any = client.responses.create(prompt={"id": "report", "variables": {"topic": "no plan [[demo tokens=20]]"}})
    assert (job.status, job.error.code) == ("failed", "server_error")
    assert "gave no outline that can be used" in job.error.message


@pytest.mark.parametrize("planned", ["status=500 retry_after=0 fails={{number}}"], indirect=True)
def test_a_section_is_tried_again_alone_and_one_that_fails_leaves_the_rest(planned: Stack) -> None:
    client = planned.client()
    job = done(client, plan(client, "tried again").id)
    assert (job.status, job.incomplete_details.reason) == ("incomplete", "section_failed")
    stored = assert_one_end(planned.database, job.id)
    assert [it["status"] for it in stored["penstock"]["progress"]["sections"]][:2] == ["completed", "completed"]
    assert "answered 500" in stored["penstock"]["faults"]["3"]
    requests = sections_asked(planned)
    assert [requests[number]["requests"] for number in (1, 2, 3)] == [2, 3, 3]

    # Only what is missing is written again: the third section, which has failed often enough by now, and the summary.
    _, again = fetch(planned.url, f"/v1/responses/{job.id}/retry", method="POST", body=b"")
    whole = done(client, again["id"])
    assert whole.status == "completed"
    requests = sections_asked(planned)
    assert [requests[number]["requests"] for number in (1, 2, 3)] == [2, 3, 4]
    assert text_of_section(whole, 1) == text_of_section(job, 1)
    assert_one_end(planned.database, whole.id)


def sections_asked(planned: Stack) -> dict[int, dict[str, int]]:
    """By section, what happened to the requests for it."""
    prompts = planned.model.all_stats()
    return {number: it for key, it in prompts.items() for number in range(1, 9) if f"section {number} of" in key}


def text_of_section(job: Any, number: int) -> str:
    item = next(item for item in job.output if item.to_dict()["penstock"]["section"] == number)
    return str(item.content[0].text)


@pytest.mark.parametrize("planned", ["rate=120 tokens=60"], indirect=True)
def test_invariant_5_finished_items_stay_when_the_worker_dies_among_sections(planned: Stack) -> None:
    planned.start_worker()
    client = planned.client()
    job = plan(client, "half done", sections="6")
    viewer = Viewer(client, job.id)

    def finished() -> set[int]:
        ended = [event for event in viewer.events if event.type == events.ITEM_DONE and event.item.type == "message"]
        return {event.item.to_dict()["penstock"]["section"] for event in ended}

    wait_for(lambda: len(finished()) >= 2)
    planned.lose(planned.runner(job.id))
    seen = finished()
    before = {number: sections_asked(planned)[number]["requests"] for number in seen}
    final: Any = viewer.ended()[-1].response
    assert final.status == "completed"
    assert {number: sections_asked(planned)[number]["requests"] for number in seen} == before
    stored = assert_one_end(planned.database, job.id)
    assert stored["penstock"]["attempt"] == 2
    numbers = [item["penstock"]["section"] for item in stored["output"]]
    assert numbers == list(range(8))


@pytest.mark.parametrize("planned", ["rate=40 tokens=2000"], indirect=True)
def test_a_section_has_started_when_its_text_comes(planned: Stack) -> None:
    """Two are written at once: the third waits, though everybody has seen that it is to come."""
    client = planned.client()
    job = plan(client, "in turn")

    def begun() -> Any:
        found: Any = client.responses.retrieve(job.id)
        sections = found.penstock.get("progress", {}).get("sections", [])
        return sections if len([one for one in sections if one["started"] is not None]) == 2 else None

    first, second, third, summary = wait_for(begun)
    for written in (first, second):
        assert (written["status"], written["ended"]) == ("in_progress", None)
    for waiting in (third, summary):
        assert (waiting["status"], waiting["started"], waiting["ended"]) == ("queued", None, None)
    # How far a running job is, and its pace, stand in its row after two seconds.
    noted = wait_for(lambda: row_of(planned.database, job.id).progress)
    far = json.loads(noted)
    assert (far["done"], far["total"]) == (0, 4)
    rate_histogram: Any = wait_for(lambda: fetch(planned.url, f"/v1/responses/{job.id}")[1]["penstock"].get("curve"))
    assert sum(rate_histogram["characters"]) >= sum(far["curve"]["characters"]) > 0
    client.responses.cancel(job.id)
    kept = done(client, job.id).penstock
    assert kept["progress"]["sections"][2]["started"] is None
    assert sum(kept["curve"]["characters"]) >= sum(rate_histogram["characters"])


@pytest.mark.parametrize("planned", ["rate=25 tokens=2000"], indirect=True)
def test_stop_and_keep_ends_with_whole_sentences(planned: Stack) -> None:
    client = planned.client()
    job = plan(client, "enough")
    viewer = Viewer(client, job.id)
    wait_for(lambda: sum(event.type == events.TEXT_DELTA for event in viewer.events) > 20)
    body = json.dumps({"graceful": True}).encode()
    status, asked = fetch(planned.url, f"/v1/responses/{job.id}/cancel", method="POST", body=body)
    assert (status, asked["status"]) in ((200, "in_progress"), (200, "incomplete"))
    final: Any = viewer.ended()[-1].response
    assert (final.status, final.incomplete_details.reason) == ("incomplete", "stopped")
    stored = assert_one_end(planned.database, job.id)
    for item in stored["output"][1:]:
        assert item["content"][0]["text"].rstrip()[-1] in ".!?…*"
    assert 3 not in sections_asked(planned)  # no section was begun any more
    assert fold(events.events_of(events.split(raw_stream(planned.url, job.id)))) == stored


def test_a_silent_model_is_not_waited_for_longer_than_promised(client: openai.OpenAI, penstock: Stack) -> None:
    job = client.responses.create(input="graceful silence [[demo stall=4]]", background=True)
    penstock.model.wait("graceful silence", "stalled")
    client.post(f"/responses/{job.id}/cancel", body={"graceful": True}, cast_to=object)
    penstock.model.wait("graceful silence", "closed_by_client")
    final = done(client, job.id)
    assert (final.status, final.incomplete_details.reason, bool(final.output_text)) == ("incomplete", "stopped", True)


def test_a_cancel_says_whether_it_is_graceful_or_is_refused(client: openai.OpenAI) -> None:
    job = client.responses.create(input="still here [[demo stall=4]]", background=True)
    with pytest.raises(openai.BadRequestError) as refused:
        client.post(f"/responses/{job.id}/cancel", body={"graceful": "perhaps"}, cast_to=object)
    assert refused.value.param == "graceful"
    assert client.responses.cancel(job.id).status == "cancelled"
