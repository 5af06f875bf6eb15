"""The newest 1.x, 2.x and 3.x of the `openai` package, each running the same program unchanged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobs.protocol import events
from tests.support import environments
from tests.support.environments import Environment, Parts
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)  # an environment may have to be made first

VERSIONS: dict[str, Callable[[], Environment]] = {
    "1": lambda: environments.python("openai-1"),
    "2": lambda: environments.python("openai-2"),
    "3": environments.own,
}


@pytest.fixture(scope="module", params=VERSIONS)
def seen(request: pytest.FixtureRequest, penstock: Stack) -> Parts:
    """What the program saw with one version of its client."""
    return VERSIONS[request.param]().parts("openai_python.py", penstock.url)


def test_it_is_the_version_that_is_meant(seen: Parts, request: pytest.FixtureRequest) -> None:
    assert seen["which"]["version"].partition(".")[0] == request.node.callspec.params["seen"]


def test_a_stream_is_followed_and_its_rest_is_taken_up(seen: Parts) -> None:
    streams = seen["streams"]
    assert streams["types"][:3] == [events.CREATED, events.QUEUED, events.IN_PROGRESS]
    assert streams["types"][-1] == events.COMPLETED
    assert streams["types"].count(events.TEXT_DELTA) > 1
    assert streams["text"] == streams["stored"] != ""
    assert streams["numbers"] == list(range(len(streams["numbers"])))
    assert streams["rest"] == streams["numbers"][6:]


def test_a_job_is_polled(seen: Parts) -> None:
    polls = seen["polls"]
    assert (polls["first"], polls["last"]) == ("queued", "completed")
    assert "翠花" in polls["text"]
    assert polls["asked"].items() <= polls["variables"].items()
    assert polls["metadata"] == {"series": "one"}
    assert polls["tokens"] > 0


def test_the_helper_follows_and_resumes(seen: Parts) -> None:
    helper = seen["follows_with_the_helper"]
    assert helper["items"] == ["reasoning", "message"]
    assert helper["text"] == helper["stored"] == helper["resumed_text"] != ""
    assert helper["rest"] == helper["numbers"][7:]


def test_the_helper_resumes_without_saying_where(seen: Parts) -> None:
    """All versions keep `starting_after` to themselves and skip what they get: a replay must begin at 0."""
    assert seen["follows_with_the_helper"]["resumed_query"] == "stream=true"


def test_a_job_is_awaited(seen: Parts) -> None:
    awaits = seen["awaits"]
    assert awaits["status"] == "completed"
    assert awaits["text"] == awaits["stored"] != ""


def test_an_answer_takes_the_form_of_a_class(seen: Parts) -> None:
    for city in (seen["parses"]["awaited"], seen["parses"]["streamed"]):
        assert set(city) == {"name", "people"}


def test_a_cancelled_job_keeps_its_text(seen: Parts) -> None:
    cancels = seen["cancels"]
    assert cancels["last_event"] == events.INCOMPLETE
    assert cancels["statuses"] == ["cancelled", "cancelled"]
    assert cancels["seen"] != ""
    assert cancels["texts"][0].startswith(cancels["seen"])
    assert len(set(cancels["texts"])) == 1


def test_a_deleted_job_is_not_found(seen: Parts) -> None:
    assert seen["deletes"]["after"] == ["NotFoundError", 404, None, None]


def test_the_input_is_listed_in_pages(seen: Parts) -> None:
    listed = seen["lists_input"]
    assert listed["up"] == ["first", "second", "third"]
    assert listed["down"] == ["third", "second", "first"]
    assert len(set(listed["ids"])) == 3


def test_a_turn_continues_a_turn(seen: Parts) -> None:
    continues = seen["continues"]
    assert continues["previous"] == continues["first"]
    first, second = continues["read"]
    assert second > first


def test_a_create_with_a_key_is_one_job(seen: Parts) -> None:
    assert len(set(seen["creates_once"]["ids"])) == 1


def test_a_failed_job_is_begun_again(seen: Parts) -> None:
    assert seen["begins_again"] == {"failed": "server_error", "again": "completed"}


def test_a_failure_keeps_the_text_and_the_words_of_the_model(seen: Parts) -> None:
    fails = seen["fails"]
    assert (fails["last_event"], fails["status"]) == (events.FAILED, "failed")
    assert fails["message"] == "the model ran out of memory"
    assert fails["text"] != ""


def test_the_helper_has_no_words_for_a_failure(seen: Parts) -> None:
    """`get_final_response()` raises RuntimeError for whatever has not completed; why, is in the last event."""
    assert seen["fails"]["helper"] == "Didn't receive a `response.completed` event."


def test_errors_have_their_class_code_and_parameter(seen: Parts) -> None:
    assert seen["is_refused"] == {
        "tools": ["BadRequestError", 400, "unsupported_parameter", "tools.0"],
        "temperature": ["BadRequestError", 400, None, "temperature"],
        "prompt": ["BadRequestError", 400, None, "prompt.id"],
        "unknown": ["NotFoundError", 404, None, None],
        "cancel": ["NotFoundError", 404, None, None],
    }


def test_three_at_once_without_threads(seen: Parts) -> None:
    at_once = seen["goes_asynchronous"]
    assert at_once["answers"] == at_once["asked"]
