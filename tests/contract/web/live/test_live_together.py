"""The live pages of several jobs over one stream."""

from __future__ import annotations

import json
from http.client import HTTPResponse

import openai
import pytest

from tests.support.stack import Stack
from tests.support.wire import assert_refused, blocks, create, fetch, request


def together(url: str, *wanted: str) -> HTTPResponse:
    return request(url, "/live?" + "&".join(f"job={one}" for one in wanted))


def alone(url: str, job: str) -> list[bytes]:
    """The blocks of text of one job's own stream."""
    with request(url, f"/jobs/{job}/live") as answer:
        return [block for block in blocks(answer) if b"event: block" in block]


def by_job(answer: HTTPResponse) -> dict[str, list[bytes]]:
    """The frames of each job."""
    found: dict[str, list[bytes]] = {}
    job = ""
    for block in blocks(answer):
        if block.startswith(b"event: job\n"):
            job = json.loads(block.split(b"data: ")[1])
        elif not block.startswith((b":", b"retry:")):
            found.setdefault(job, []).append(block)
    return found


def test_each_job_has_the_frames_of_its_own_stream(penstock: Stack, client: openai.OpenAI) -> None:
    jobs = [create(penstock.url, input=f"together {n} [[demo tokens=400 rate=400]]")["id"] for n in range(3)]
    with together(penstock.url, *(f"{job}:" for job in jobs)) as answer:
        found = by_job(answer)
    assert set(found) == set(jobs)
    for job, frames in found.items():
        assert [frame for frame in frames if b"event: block" in frame] == alone(penstock.url, job) != []
        assert any(b'"status":"completed"' in frame for frame in frames)
        assert frames[-1] == b"event: end\ndata: {}\n\n"


def test_each_goes_on_behind_its_own_block(penstock: Stack, client: openai.OpenAI) -> None:
    jobs = [client.responses.create(input=f"goes on {n} [[demo tokens=400]]").id for n in range(2)]
    whole = [alone(penstock.url, job) for job in jobs]
    with together(penstock.url, f"{jobs[0]}:0.0", f"{jobs[1]}:0.1") as answer:
        found = by_job(answer)
    for number, job in enumerate(jobs):
        assert [frame for frame in found[job] if b"event: block" in frame] == whole[number][number + 1 :]


def test_a_job_that_is_gone_keeps_no_other_back(penstock: Stack, client: openai.OpenAI) -> None:
    job, gone = client.responses.create(input="here [[demo tokens=5]]").id, "resp_" + "0" * 40
    with together(penstock.url, f"{gone}:", f"{job}:") as answer:
        found = by_job(answer)
    assert found[gone] == [b"event: end\ndata: {}\n\n"]
    assert len(found[job]) > 1


@pytest.mark.parametrize("wanted", [[], ["x:"], ["resp_" + "0" * 40], [f"resp_{'0' * 40}:7"]])
def test_what_cannot_be_followed_is_refused(penstock: Stack, wanted: list[str]) -> None:
    query = "&".join(f"job={one}" for one in wanted)
    assert assert_refused(*fetch(penstock.url, f"/live?{query}"))["param"] == "job"
