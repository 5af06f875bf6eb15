"""The stream of a job's page: the same blocks from every process and cursor, rendered once, whatever Redis does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import openai
import pytest

from jobs.job import Job, Status
from jobs.protocol import events
from jobs.status.details import StatusDetails
from jobs.storage.access.api_keys import ApiKeys
from jobs.storage.store import Store
from tests.support.allowed_html import words_of
from tests.support.markdown_texts import HOSTILE
from tests.support.stack import Stack, running_stack
from tests.support.wire import assert_refused, blocks, create, fetch, request
from web.context import WebContext
from web.live.job_state import JobState
from web.live.live_page import LivePage, PageSnapshot, PageState
from web.relay.sse import event_frame

EMPTY: dict[str, Any] = dict.fromkeys(field.name for field in fields(Job))
JOB = Job(**{**EMPTY, "status": Status.IN_PROGRESS, "created_at": 0.0, "attempt": 1, "request": {"prompt": None}})


class Heard(NamedTuple):
    """One event of the stream."""

    kind: str
    name: str
    data: Any


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock with two web processes."""
    with running_stack(tmp_path_factory.mktemp("live") / "data") as running:
        running.start_web()
        yield running


def live(url: str, job: str, *, after: str = "", last: str = "") -> HTTPResponse:
    query = f"?after={after}" if after else ""
    return request(url, f"/jobs/{job}/live{query}", headers={"Last-Event-ID": last} if last else {})


def note_rate(answer: HTTPResponse) -> Iterator[Heard]:
    for block in blocks(answer):
        fields = dict(line.split(b": ", 1) for line in block.splitlines() if not line.startswith(b":") and line)
        if b"data" in fields:
            yield Heard(fields[b"event"].decode(), fields.get(b"id", b"").decode(), json.loads(fields[b"data"]))


def sequence(answer: HTTPResponse) -> list[tuple[str, str]]:
    """Name and HTML of all blocks, to the end of the stream."""
    with answer:
        assert answer.status == 200
        return [(one.name, one.data["html"]) for one in note_rate(answer) if one.kind == "block"]


def report(site: Stack, topic: str, directives: str) -> str:
    """A report of several sections, written side by side."""
    variables = {"topic": topic, "words": 300, "source": f"[[demo {directives}]]"}
    job: str = create(site.url, prompt={"id": "report", "variables": variables})["id"]
    return job


def test_every_process_and_every_cursor_sees_the_same_blocks(two: Stack) -> None:
    job = report(two, "the same everywhere", "rate=300 think=10")
    first, second = (live(url, job) for url in two.urls)
    whole = sequence(first)
    assert sequence(second) == whole
    names = [name for name, _ in whole]
    assert len(set(names)) == len(names) > 10
    assert len({name.partition(".")[0] for name in names}) > 3
    for at in range(0, len(names) - 1, 5):
        rest = whole[at + 1 :]
        assert sequence(live(two.urls[at % 2], job, after=names[at])) == rest
        assert sequence(live(two.urls[at % 2], job, after="0.0", last=names[at])) == rest


def test_a_viewer_goes_on_in_another_process_while_the_job_runs(two: Stack) -> None:
    job = report(two, "wandering", "rate=100")
    seen: list[tuple[str, str]] = []
    for turn in range(4):
        with live(two.urls[turn % 2], job, after=seen[-1][0] if seen else "") as answer:
            for one in note_rate(answer):
                if one.kind == "block":
                    seen.append((one.name, one.data["html"]))
                    if len(seen) % 4 == 0:
                        break
    seen += sequence(live(two.url, job, after=seen[-1][0]))
    assert seen == sequence(live(two.urls[0], job))


def test_the_stream_ends_with_the_state_and_then_for_good(two: Stack) -> None:
    job = create(two.url, input="ends [[demo rate=200 tokens=60 think=5]]")["id"]
    with live(two.url, job) as answer:
        *_, last = said = list(note_rate(answer))
    assert (last.kind, last.data["status"]) == ("state", "completed")
    assert [one.kind for one in said[:1]] == ["state"]
    names = [one.name for one in said if one.kind == "block"]
    assert {one.name for one in said if one.kind != "block"} == {""}
    item = last.data["items"][-1]
    assert {
        "index",
        "id",
        "type",
        "section",
        "title",
        "status",
        "replaces",
        "reason",
        "words",
        "started",
        "ended",
    } <= set(item)
    assert (item["type"], item["status"], item["replaces"]) == ("message", "completed", None)
    assert last.data["words"] == item["words"] > 20
    for url in two.urls:
        with live(url, job, last=names[-1]) as answer:
            assert (answer.status, answer.read()) == (204, b"")
        with live(url, job, after=names[-2]) as answer:
            assert [one.kind for one in note_rate(answer) if one.data.get("html", "…")] == ["block", "state"]


def test_the_state_tells_how_a_job_has_failed(two: Stack) -> None:
    job = create(two.url, input="fails [[demo status=401]]")["id"]
    with live(two.url, job) as answer:
        *_, last = note_rate(answer)
    assert last.data["status"] == "failed"
    assert "Incorrect API key" in last.data["error"]["message"]


@pytest.mark.parametrize(
    "cursor", ["x", "1", "1.", ".1", "-1.0", "1.2.3", "1,2", "%20", "1.0%20", "٣.١", "9" * 12 + ".0"]
)
def test_a_cursor_that_names_no_block_is_refused(two: Stack, cursor: str) -> None:
    job = create(two.url, input="refuses [[demo tokens=5]]")["id"]
    quoted = cursor if "%" in cursor else "".join(f"%{byte:02x}" for byte in cursor.encode())
    assert assert_refused(*fetch(two.url, f"/jobs/{job}/live?after={quoted}"))["param"] == "after"
    if cursor.isascii() and "%" not in cursor:
        refused = fetch(two.url, f"/jobs/{job}/live", headers={"Last-Event-ID": cursor})
        assert assert_refused(*refused)["param"] == "Last-Event-ID"


def test_a_block_that_an_ended_job_does_not_have_is_refused(two: Stack, client: openai.OpenAI) -> None:
    job = client.responses.create(input="has few [[demo tokens=5]]").id
    assert assert_refused(*fetch(two.url, f"/jobs/{job}/live?after=7.7"))["param"] == "after"
    assert assert_refused(*fetch(two.url, f"/jobs/{job}/live?after=0.0&after=0.1"))["param"] == "after"


@pytest.fixture
def client(two: Stack) -> Iterator[openai.OpenAI]:
    with two.client() as client:
        yield client


def test_what_moves_is_sent_a_few_times_a_second(two: Stack, client: openai.OpenAI) -> None:
    job = create(two.url, input="steady [[demo rate=200 tokens=400]]")["id"]
    with live(two.url, job) as answer:
        said = list(note_rate(answer))
    spent = said[-1].data["elapsed"]
    counts = {kind: sum(one.kind == kind for one in said) for kind in ("tail", "state")}
    assert 2 <= counts["tail"] <= 4 * (spent + 1)
    assert 2 <= counts["state"] <= 2 * (spent + 1) + 6  # and one more whenever an item begins or ends


def test_a_block_that_is_not_there_yet_is_waited_for(two: Stack) -> None:
    job = create(two.url, input="waits [[demo rate=60 tokens=120]]")["id"]
    assert not {"0.0", "0.1"} & {name for name, _ in sequence(live(two.url, job, after="0.1"))}


def test_a_stream_opens_and_beats_without_redis(two: Stack, client: openai.OpenAI) -> None:
    job = create(two.url, input="outlives Redis [[demo rate=100 tokens=300]]")["id"]
    with live(two.urls[0], job) as answer:
        said = note_rate(answer)
        next(one for one in said if one.kind == "block")
        with two.frozen_redis(), live(two.urls[1], job) as other:
            assert other.status == 200
            assert next(note_rate(other)).kind == "state"
        *_, last = said
    assert last.data["status"] == "completed"
    assert sequence(live(two.urls[0], job)) == sequence(live(two.urls[1], job))


def test_a_queued_job_tells_its_place(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", workers=0) as idle:
        jobs = [create(idle.url, input="waits")["id"] for _ in range(3)]
        with live(idle.url, jobs[-1]) as answer:
            states = (note.data for note in note_rate(answer))
            state = next(state for state in states if "queue_position" in state)  # a new job has none for a moment
            assert (state["status"], state["queue_position"]) == ("queued", 2)
            assert state["oldest_wait_seconds"] >= 0
            with request(idle.url, f"/jobs/{jobs[0]}/cancel", method="POST"):
                pass
            assert next(state for state in states if state.get("queue_position") == 1)


def test_invariant_8_owner_only(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", workers=0, PENSTOCK_AUTH="keys") as site:
        made = ApiKeys(site.database)
        keys = {owner: {"Authorization": f"Bearer {made.create(owner)}"} for owner in ("ada", "ben")}
        job = create(site.url, headers=keys["ada"], input="mine [[demo tokens=5]]")["id"]
        for path in ("live", "progress", "live?after=0.0"):
            with request(site.url, f"/jobs/{job}/{path}", headers=keys["ben"]) as answer:
                assert answer.status == 404
            with request(site.url, f"/jobs/{job}/{path}", headers=keys["ada"]) as answer:
                assert answer.status in (200, 204, 400)
        for act in ("retry", "delete", "cancel"):
            with request(site.url, f"/jobs/{job}/{act}", method="POST", headers=keys["ben"]) as answer:
                assert answer.status == 404
        with request(site.url, f"/jobs/{job}", headers=keys["ada"]) as answer:
            assert answer.status == 200


# -- one page ----------------------------------------------------------------------------------------------------


def test_it_is_rendered_once_for_all_who_watch_in_a_process(two: Stack, client: openai.OpenAI) -> None:
    job = Store(two.database).get("local", client.responses.create(input="for many [[demo tokens=200]]").id)
    context = WebContext(two.settings)
    with context.live_pages.watch(job) as live_page, context.live_pages.watch(job) as other:
        assert other is live_page
        live_page.reach(10**9, 20)
        snapshots = [live_page.snapshot() for _ in range(20)]
        assert all(snapshot is snapshots[0] for snapshot in snapshots)
        whole = live_page.since(PageSnapshot(), snapshots[0], state_frame)
        assert whole.count(b"event: block") == snapshots[0].position > 2
    with context.live_pages.watch(job) as again:  # for whoever comes back
        assert again is live_page
        assert again.cursor(snapshots[0]) == f"0.{snapshots[0].position - 1}"
    assert context.rendered_jobs.get(job.id, list) is context.rendered_jobs.get(job.id, list)


def state_frame(state: PageState) -> bytes:
    """The state as it is, in no language."""
    return event_frame("state", state.values)


def blocks_of(*deltas: str) -> tuple[list[tuple[str, str]], LivePage]:
    """The blocks of a text that came in these pieces."""
    live_page = LivePage(lambda: JobState(JOB, StatusDetails("in_progress")))
    item = {"id": "msg_1", "type": "message", "status": "in_progress", "penstock": {"section": 0}}
    part = {"output_index": 0, "content_index": 0, "part": {"type": "output_text"}}
    said: list[dict[str, Any]] = [
        {"type": events.ITEM_ADDED, "output_index": 0, "item": item},
        {"type": events.PART_ADDED, **part},
        *({"type": events.TEXT_DELTA, "output_index": 0, "content_index": 0, "delta": delta} for delta in deltas),
        {"type": events.PART_DONE, **part},
        {"type": events.ITEM_DONE, "output_index": 0, "item": {**item, "status": "completed"}},
    ]
    for number, event in enumerate(said):
        live_page.feed({"sequence_number": number, **event})
    live_page.wake(over=True)
    frames = events.split(live_page.since(PageSnapshot(), live_page.snapshot(), state_frame))
    found = [
        (frame.split(b"\n")[0].decode(), events.event_of(frame)["html"]) for frame in frames if frame[:3] == b"id:"
    ]
    return found, live_page


@pytest.mark.parametrize("text", HOSTILE)
def test_how_the_log_was_cut_never_shows(text: str) -> None:
    whole, _ = blocks_of(text)
    assert blocks_of(*text)[0] == whole
    assert blocks_of(*(text[at : at + 7] for at in range(0, len(text), 7)))[0] == whole
    words_of("".join(html for _, html in whole))
    assert [name for name, _ in whole] == [f"id: 0.{number}" for number in range(len(whole))]


def test_many_pages_that_nobody_watches_are_not_kept(two: Stack) -> None:
    context = WebContext(two.settings)
    job = Store(two.database).get("local", create(two.url, input="kept [[demo tokens=5]]")["id"])
    names = [replace(job, id=f"{job.id}{number}") for number in range(40)]
    for one in names:
        with context.live_pages.watch(one):
            pass
    with context.live_pages.watch(job):
        assert len(context.live_pages._pages) <= 34
