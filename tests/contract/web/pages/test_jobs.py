"""The list of jobs: what it shows, filters, pages; and what is done to many at once, to whose jobs."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import orjson
import pytest

from jobs.job import Status
from jobs.limits import OwnerLimits
from jobs.storage.access.owner_limits import LimitRegistry
from jobs.storage.store import Store
from tests.support.long_queue import lengthen
from tests.support.markup import Markup
from tests.support.person import Person
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create
from web.auth import LOCAL_OWNER

_MINE: dict[str, Any] = {"json": {"metadata": {"title": "mine", "starred": "true", "labels": "mine"}}}
PRICES = '{"demo": {"input": 2, "output": 5, "currency": "EUR"}}'


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock without a worker: what is queued stays there. Every test has an owner of its own."""
    with running_stack(tmp_path_factory.mktemp("jobs") / "data", workers=0, PENSTOCK_AUTH="keys") as running:
        yield running


@pytest.fixture
def person(stack: Stack) -> Iterator[Person]:
    one = Person(stack)
    with one.browser:
        yield one


def shown(page: Markup) -> list[str]:
    """The ids of the listed jobs."""
    return [one.attributes["id"] for one in page.all("tr") if one.attributes.get("id", "").startswith("resp_")]


def link(page: Markup, rel: str) -> str:
    (found,) = page.all("a", rel=rel)
    return found.attributes["href"]


def counts(page: Markup) -> dict[str, int]:
    (bar,) = page.all("nav", id="counts")
    links = [one for one in page.all("a") if bar in one.parents]
    return {name.strip(): int(count) for one in links for name, count in re.findall(r"([a-z ]+?)\s+(\d+)", one.text)}


def notices(person: Person) -> list[str]:
    """What the next page says about what was done."""
    return [one.text for one in person.look().all("p", **{"class": "notice"})]


def test_an_empty_list_says_so(person: Person) -> None:
    page = person.look()
    assert shown(page) == []
    assert "There are no jobs yet." in page.all("p", id="none")[0].text
    assert counts(page) == {"all": 0}


def test_filters_find_and_count(person: Person) -> None:
    tea, rain = person.queue("Tea & <i>milk</i>"), person.queue("Rain", "explainer")
    person.store.request_cancel(person.owner, rain)
    page = person.look()
    assert shown(page) == [rain, tea]
    assert counts(page) == {"all": 2, "queued": 1, "cancelled": 1}
    assert "Tea & <i>milk</i>" in [one.text for one in page.all("a", href=f"/jobs/{tea}")]
    assert shown(person.look(status="queued")) == [tea]
    assert shown(person.look(prompt="explainer")) == [rain]
    assert counts(person.look(prompt="explainer")) == {"all": 1, "cancelled": 1}
    page = person.look(q="MILK", status="cancelled")
    assert shown(page) == []
    assert "No job is like that." in page.all("p", id="none")[0].text
    assert counts(page) == {"all": 1, "queued": 1, "cancelled": 0}
    # A count is a link that keeps the rest of the filter.
    assert shown(person.look(next(one.attributes["href"] for one in page.all("a") if "queued" in one.text))) == [tea]
    answer = person.browser.get("/jobs", params={"status": "odd"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "status")


def test_pages_have_addresses_that_stay(person: Person) -> None:
    ids = [person.queue(f"number {number}") for number in range(65)][::-1]
    first = person.look(q="number")
    assert (shown(first), first.all("a", rel="prev")) == (ids[:30], [])
    second = person.look(link(first, "next"))
    assert shown(second) == ids[30:60]
    person.queue("number new")  # which moves nothing
    assert shown(person.look(link(first, "next"))) == ids[30:60]
    third = person.look(link(second, "next"))
    assert (shown(third), third.all("a", rel="next")) == (ids[60:], [])
    assert shown(person.look(link(third, "prev"))) == ids[30:60]
    assert "q=number" in link(third, "prev")
    person.store.delete(person.owner, ids[29])  # behind which the second page begins
    answer = person.browser.get(link(first, "next"))
    assert (answer.status_code, answer.headers["Location"]) == (302, "/jobs?q=number")


def test_a_row_tells_how_far_a_job_is(person: Person) -> None:
    job_id = person.queue("Far")
    progress = '{"done": 3, "total": 8, "words": 1234, "curve": {"slot_seconds": 1, "characters": []}}'
    person.put(job_id, status=Status.IN_PROGRESS, attempt=1, started_at=1.0, progress=progress, target_words=2468)
    page = person.look()
    assert "3 of 8 sections" in page.all("tr", id=job_id)[0].text
    assert page.all("progress")[0].attributes["value"] == "0.5"
    assert "1,234" in [one.text for one in page.all("td")]
    person.store.request_cancel(person.owner, job_id)
    assert "stopping" in person.look().all("tr", id=job_id)[0].text
    Chinese = Markup(person.browser.get("/jobs", headers={"Accept-Language": "zh"}).text)
    assert "3/8 节" in Chinese.all("tr", id=job_id)[0].text


def test_what_a_job_has_become_and_cost(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        running_stack(
            tmp_path_factory.mktemp("priced") / "data", PENSTOCK_MODEL="demo", PENSTOCK_PRICES=PRICES
        ) as stack,
        httpx2.Client(base_url=stack.url, trust_env=False) as browser,
    ):
        done = create(stack.url, input="# Not this\nof a heron [[demo echo rate=0]]\n\n## A *better* title")["id"]
        store = Store(stack.database)
        job = wait_for(lambda: job if (job := store.get(LOCAL_OWNER, done)).status.is_terminal else None)
        row = Markup(browser.get("/jobs").text).all("tr", id=done)[0].text
        assert "Not this" in row
        assert f"{job.words:,}" in row
        assert "EUR" in row


def test_one_job_is_cancelled_at_once_and_deleted_after_a_question(person: Person) -> None:
    job_id = person.queue("Single")
    answer = person.act(row=f"cancel {job_id}", back="/jobs?q=Single")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs?q=Single")
    assert person.statuses() == ["cancelled"]
    assert person.act(row=f"retry {job_id}").status_code == 303
    assert person.statuses() == ["queued", "cancelled"]

    asked = person.act(row=f"delete {job_id}", back="/jobs")
    page = Markup(asked.text)
    assert (asked.status_code, page.faults) == (200, [])
    assert page.all("h1")[0].text == "Delete one job?"
    assert person.statuses() == ["queued", "cancelled"]
    form = next(page.fields(number) for number in range(9) if "confirmed" in page.fields(number))
    assert person.act(**form).status_code == 303
    assert person.statuses() == ["queued"]
    said = notices(person)[-1]
    assert said == "One job was deleted."
    assert said not in person.browser.get("/jobs").text  # once


def test_the_ticked_are_counted_before_anything_is_done(person: Person) -> None:
    ids = [person.queue(f"ticked {number}") for number in range(7)]
    person.store.request_cancel(person.owner, ids[0])
    asked = Markup(person.act(act="cancel", job=ids).text)
    assert asked.all("h1")[0].text == "Cancel 6 jobs?"
    assert "For one other there is nothing to do." in asked.all("main")[0].text
    assert person.statuses() == ["queued"] * 6 + ["cancelled"]
    confirmed = asked.all("input", name="confirmed")[0].attributes["value"]
    person.act(act="cancel", confirmed=confirmed)
    assert person.statuses() == ["cancelled"] * 7
    assert "6 jobs are being stopped." in notices(person)[-1]
    person.act(act="retry", confirmed=confirmed)
    assert person.statuses() == ["queued"] * 6 + ["cancelled"] * 7
    person.act(act="delete")
    assert len(person.statuses()) == 13
    assert "no such job was ticked" in notices(person)[-1]


def test_a_limit_in_the_middle_says_what_was_done_before_it(stack: Stack, person: Person) -> None:
    ids = [person.queue(f"limited {number}") for number in range(4)]
    for job_id in ids:
        person.store.request_cancel(person.owner, job_id)
    LimitRegistry(stack.database, OwnerLimits()).change(person.owner, {"jobs_queued": 3})
    time.sleep(1.2)  # every process knows within a second
    person.act(act="retry", confirmed=" ".join(ids))
    assert notices(person) == [
        "3 jobs are queued anew.",
        "You have 3 jobs waiting, as many as you may: send it again when one has begun.",
    ]
    person.act(act="retry", confirmed=ids[3])
    assert [notice.partition(",")[0] for notice in notices(person)] == ["You have 3 jobs waiting"]
    assert person.statuses() == ["queued"] * 3 + ["cancelled"] * 4


def test_all_that_a_filter_finds_is_just_what_was_asked_about(person: Person) -> None:
    for number in range(35):
        person.queue(f"batch {number}")
    other = person.queue("kept")
    asked = Markup(person.act(act="delete", scope="all", q="batch", back="/jobs?q=batch").text)
    assert asked.all("h1")[0].text == "Delete 35 jobs?"
    late = person.queue("batch late")  # came while it was being asked
    form = next(asked.fields(number) for number in range(9) if "confirmed" in asked.fields(number))
    assert person.act(**form).headers["Location"] == "/jobs?q=batch"
    assert shown(person.look()) == [late, other]


def question(answer: httpx2.Response) -> tuple[str, dict[str, str]]:
    """What is asked, and the form that says yes."""
    page = Markup(answer.text)
    assert (answer.status_code, page.faults) == (200, [])
    return page.all("h1")[0].text, next(
        page.fields(number) for number in range(9) if "confirmed" in page.fields(number)
    )


def test_each_thousand_jobs_is_asked_about_and_holds_up_no_others(person: Person, stack: Stack) -> None:
    person.queue("other", prompt="explainer")
    lengthen(stack.database, person.store.get(person.owner, person.queue("many")), 1009)
    asked, form = question(person.act(act="delete", scope="all", prompt="story", back="/jobs"))
    assert asked == "Delete 1,000 jobs?"
    person.queue("late")

    answers: list[httpx2.Response] = []
    acting = threading.Thread(target=lambda: answers.append(person.act(**form)))
    acting.start()
    served = 0
    while acting.is_alive():
        served += person.browser.get("/healthz").status_code == 200 and not answers
    assert served > 1
    asked, form = question(answers[0])
    assert asked == "Delete 10 jobs?"
    assert len(person.statuses()) == 12
    assert person.act(**form).headers["Location"] == "/jobs"
    assert [title.text for title in person.look().all("a") if title.text in ("late", "other", "many")] == [
        "late",
        "other",
    ]


def test_the_next_jobs_of_a_search_are_those_behind_the_last(person: Person) -> None:
    ids = [person.queue(f"heron {number}") for number in range(4)]
    (last,) = person.store.lists.places(person.owner, limit=1, words="heron")
    rest = orjson.dumps(last.keys).decode()
    asked, form = question(person.act(act="cancel", confirmed=ids[3], rest=rest, q="heron"))
    assert (asked, form["confirmed"], form["rest"]) == ("Cancel 3 jobs?", " ".join(ids[2::-1]), "")


def test_a_form_of_another_hand_is_refused(person: Person) -> None:
    job_id = person.queue("x")
    for rest in ("x", "{}", "[1]", '["x", 1]', "[1.0, 2.0]", '[1.0, "x"]', f'[1.0, "{job_id}", 2]'):
        person.queue("y")
        assert person.act(act="cancel", confirmed=job_id, rest=rest).status_code == 400, rest
    for rest in ("[1.0]", "[99999999999999999999]", f'[1.0, "{job_id}"]'):
        assert person.act(act="cancel", confirmed=job_id, rest=rest, q="y").status_code == 400, rest


def test_invariant_8_owner_only_holds_for_lists_and_acts(person: Person, stack: Stack) -> None:
    stranger = Person(stack)
    theirs = stranger.queue("theirs")
    assert theirs not in person.browser.get("/jobs").text
    for act in ("cancel", "retry", "delete"):
        assert "theirs" not in person.act(act=act, job=[theirs]).text
        person.act(row=f"{act} {theirs}")
        person.act(act=act, confirmed=theirs)
        person.act(act=act, scope="all", q="theirs")
    for path, sent in ((f"/jobs/{theirs}/filing", {"data": {"title": "mine"}}), (f"/v1/responses/{theirs}", _MINE)):
        assert person.browser.post(path, **sent).status_code == 404, path
    assert shown(person.look(label="mine")) == shown(person.look(starred="true")) == []
    assert "theirs" in stranger.look().all("tr", id=theirs)[0].text
    assert stranger.statuses() == ["queued"]
    assert person.browser.get("/", params={"from": theirs}).status_code == 404
    assert "theirs" not in person.browser.get("/jobs", params={"after": theirs}).text
    stranger.browser.close()


@pytest.mark.parametrize("path", ["/jobs/act", "/system/queues", "/language", "/jobs"])
def test_nothing_is_done_for_another_page(person: Person, path: str) -> None:
    job_id = person.queue("steady")
    form = {"act": "cancel", "row": f"cancel {job_id}", "queue": "default", "language": "zh", "prompt": "story"}
    for headers in ({"Origin": "http://example.com"}, {"Sec-Fetch-Site": "cross-site"}):
        assert person.browser.post(path, data=form, headers=headers).status_code == 403
    assert person.statuses() == ["queued"]
    assert person.browser.get("/jobs/act").status_code == 404  # nothing changes by GET


@pytest.mark.parametrize(
    "form", [{}, {"act": "burn"}, {"row": "burn x"}, {"act": "cancel", "scope": "all", "status": "odd"}]
)
def test_an_odd_act_is_refused(person: Person, form: dict[str, str]) -> None:
    answer = person.act(**form)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("back", ["https://example.com", "//example.com", "/\\example.com", ""])
def test_an_act_leads_nowhere_else(person: Person, back: str) -> None:
    assert person.act(act="cancel", back=back).headers["Location"] == "/jobs"
