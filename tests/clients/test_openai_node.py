"""The newest npm package `openai`, on whatever Node is there."""

from __future__ import annotations

import pytest

from jobs.protocol import events
from tests.support import environments
from tests.support.environments import Parts
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)  # an environment may have to be made first


@pytest.fixture(scope="module")
def seen(penstock: Stack) -> Parts:
    """What the program saw."""
    return environments.node().parts("openai_node.mjs", penstock.url)


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


def test_the_helper_follows_and_resumes(seen: Parts) -> None:
    """It throws at events that it does not know: there are none."""
    helper = seen["follows_with_the_helper"]
    assert helper["items"] == ["reasoning", "message"]
    assert helper["text"] == helper["stored"] == helper["resumed_text"] != ""
    assert helper["rest"] == helper["numbers"][7:]


def test_the_helper_resumes_without_saying_where(seen: Parts) -> None:
    """Like Python's it keeps `starting_after` to itself and skips what it gets: a replay must begin at 0."""
    assert seen["follows_with_the_helper"]["resumed_query"] == "?stream=true"


def test_an_answer_follows_a_schema(seen: Parts) -> None:
    assert set(seen["parses"]) == {"name", "people"}


def test_a_cancelled_job_keeps_its_text(seen: Parts) -> None:
    cancels = seen["cancels"]
    assert cancels["last_event"] == events.INCOMPLETE
    assert cancels["statuses"] == ["cancelled", "cancelled"]
    assert cancels["seen"] != ""
    assert cancels["stored"].startswith(cancels["seen"])


def test_what_cancel_gives_back_has_no_output_text(seen: Parts) -> None:
    """The package computes `output_text` for `create` and `retrieve` only; the items are there."""
    cancels = seen["cancels"]
    assert "output_text" not in cancels["keys"]
    assert cancels["items"] == [cancels["stored"]]


def test_a_deleted_job_is_not_found(seen: Parts) -> None:
    assert seen["deletes"]["after"] == ["NotFoundError", 404, None, None]


def test_the_input_is_listed_in_pages(seen: Parts) -> None:
    assert seen["lists_input"] == {"up": ["first", "second", "third"], "down": ["third", "second", "first"]}


def test_a_turn_continues_a_turn(seen: Parts) -> None:
    continues = seen["continues"]
    assert continues["previous"] == continues["first"]
    first, second = continues["read"]
    assert second > first


def test_the_helper_hands_out_a_failure_and_throws_nothing(seen: Parts) -> None:
    """`finalResponse()` is no proof of success: its `status` is to be looked at."""
    fails = seen["fails"]
    assert (fails["status"], fails["message"]) == ("failed", "the model ran out of memory")
    assert fails["text"] != ""


def test_errors_have_their_class_code_and_parameter(seen: Parts) -> None:
    assert seen["is_refused"] == {
        "tools": ["BadRequestError", 400, "unsupported_parameter", "tools.0"],
        "temperature": ["BadRequestError", 400, None, "temperature"],
        "unknown": ["NotFoundError", 404, None, None],
    }


def test_a_webhooks_signature_is_checked(seen: Parts) -> None:
    assert seen["checks_a_webhook"] == {"right": True, "wrong": "InvalidWebhookSignatureError"}
