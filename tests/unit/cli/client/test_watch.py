"""`penstock watch` against a server that loses connections, refuses and hangs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from jobs.protocol import events
from jobs.protocol.fold import fold
from jobs.status.details import StatusDetails
from tests.support.one_job_server import JOB, ROOT, TEXT, Wire, frames_of, penstock, process


def test_the_text_is_whole_across_lost_connections(wire: Wire, url: str) -> None:
    wire.cuts = [700, 1, 0, 2000, 1500, 3333]  # in the middle of frames, and of characters
    done = penstock("watch", JOB, "--url", url)
    assert (done.exit_code, done.stdout) == (0, TEXT)
    assert done.stderr.count("connection lost; trying again") >= 3
    assert len(wire.cursors) == 7
    assert wire.cursors == sorted(wire.cursors)


def test_events_come_once_each_as_lines_of_json(wire: Wire, url: str) -> None:
    wire.cuts = [3000]
    done = penstock("watch", JOB, "--json", "--url", url)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [events.event_of(frame) for frame in wire.frames]
    later = penstock("watch", JOB, "--json", "--since", "10", "--url", url)
    assert later.stdout.splitlines() == done.stdout.splitlines()[11:]


def test_since_prints_what_came_after(url: str) -> None:
    # Events 0 to 2 open the job, then comes one a character: number 10 is the eighth.
    assert penstock("watch", JOB, "--since", "10", "--url", url).stdout == TEXT[8:]


@pytest.mark.parametrize("written", [0, 1, 8])
def test_without_following_it_ends_with_what_the_job_had(wire: Wire, url: str, written: int) -> None:
    begun = [events.event_of(frame) for frame in wire.frames[: 3 + written]]
    wire.snapshot |= {"status": "in_progress", "output": fold(begun)["output"]}
    wire.holds = True
    done = penstock("watch", JOB, "--no-follow", "--url", url)
    assert (done.exit_code, done.stdout, done.stderr) == (0, TEXT[:written], "")
    as_json = penstock("watch", JOB, "--no-follow", "--json", "--url", url)
    assert [json.loads(line) for line in as_json.stdout.splitlines()] == begun[: 3 + written if written else 2]
    assert penstock("watch", JOB, "--no-follow", "--since", "5", "--url", url).stdout == TEXT[3:written]


def test_without_following_a_finished_item_lets_a_later_one_be_read(wire: Wire, url: str) -> None:
    first = [events.event_of(frame) for frame in wire.frames[:-1]]
    item = {**first[1]["item"], "id": "msg_2", "penstock": {"section": 1}}
    place = {"output_index": 1, "item_id": "msg_2", "content_index": 0}
    second = [
        {"type": events.ITEM_ADDED, "output_index": 1, "item": item},
        {"type": events.PART_ADDED, **place, "part": {"type": "output_text", "text": "", "annotations": []}},
        {"type": events.TEXT_DELTA, **place, "delta": "later", "logprobs": []},
    ]
    unread = {"type": events.TEXT_DELTA, **place, "delta": " still", "logprobs": []}
    stream = [{**event, "sequence_number": n} for n, event in enumerate([*first[:-1], *second, first[-1], unread])]
    wire.frames = [events.frame(event["type"], number, event) for number, event in enumerate(stream)]
    wire.snapshot |= {"status": "in_progress", "output": fold(stream[:-1])["output"]}
    wire.holds = True
    assert penstock("watch", JOB, "--no-follow", "--url", url).stdout == f"{TEXT}later"


def test_without_following_an_ended_job_is_printed_to_its_end(wire: Wire, url: str) -> None:
    wire.frames = frames_of(TEXT, "cancelled")
    wire.snapshot = events.event_of(wire.frames[-1])["response"]
    wire.cuts = [700]
    done = penstock("watch", JOB, "--no-follow", "--url", url)
    assert (done.exit_code, done.stdout) == (3, TEXT)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ("completed", 0, ""),
        ("cancelled", 3, "cancelled: What was written is kept.\n"),
        ("incomplete", 1, ""),
        ("failed", 1, "failed: What was said tells why.\n  too hot\n"),
    ],
)
def test_the_exit_code_is_the_job_s(wire: Wire, url: str, status: str, code: int, words: str) -> None:
    error = {"code": "server_error", "message": "too hot"} if status == "failed" else None
    wire.frames = frames_of(TEXT, status, error)
    done = penstock("watch", "last", "--url", url)
    assert (done.exit_code, done.stdout, done.stderr) == (code, TEXT, words)


def test_a_model_that_only_thought_is_told_of(wire: Wire, url: str) -> None:
    notice = "The model gave no answer, only reasoning."
    *frames, last = frames_of("")
    response = {**events.event_of(last)["response"], "penstock": {"notice": notice}}
    wire.frames = [*frames, events.frame(events.COMPLETED, len(frames), {"response": response})]
    wire.snapshot = response
    for command in ("watch", "show"):
        done = penstock(command, JOB, "--url", url)
        assert (done.exit_code, done.stdout, done.stderr) == (
            0,
            "",
            f"completed: {StatusDetails('only_reasoning').sentence()}\n",
        )


def test_text_that_is_begun_again_after_it_was_printed_is_exit_code_1(wire: Wire, url: str) -> None:
    begun = wire.frames[: len(TEXT)]
    item = events.event_of(wire.frames[1])["item"]
    place = {"section": 0, "replaces": item["id"]}
    again = {"output_index": 1, "item": {**item, "id": "msg_2", "penstock": place}}
    written = {"output_index": 1, "item_id": "msg_2", "content_index": 0, "delta": "Long ago", "logprobs": []}
    wire.frames = [
        *begun,
        events.frame(events.ITEM_ADDED, len(begun), again),
        events.frame(events.TEXT_DELTA, len(begun) + 1, written),
    ]
    done = penstock("watch", JOB, "--url", url)
    assert (done.exit_code, done.stdout) == (1, TEXT[:-3])
    assert "written again: penstock show resp_" in done.stderr


@pytest.mark.parametrize(("status", "code"), [(400, 2), (401, 4), (403, 4), (404, 5), (500, 6), (429, 6)])
def test_the_server_s_refusals_have_exit_codes(wire: Wire, url: str, status: int, code: int) -> None:
    wire.status = status
    done = penstock("show", JOB, "--url", url)
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith("Error: in its own words")
    assert done.stderr.count("\n") == 1


def test_no_server_is_exit_code_6() -> None:
    done = penstock("list", "--url", "http://127.0.0.1:1")
    assert done.exit_code == 6
    assert done.stderr.startswith("Error: no server answers at http://127.0.0.1:1: start one with `penstock up`")


def test_a_proxy_is_not_asked_for_the_server_next_to_us(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert penstock("list", "--url", url).stdout.startswith(JOB)


def test_a_timeout_detaches(wire: Wire, url: str) -> None:
    wire.cuts, wire.holds = [2000], True
    done = penstock("watch", JOB, "--timeout", "2", "--url", url)
    assert done.exit_code == 124
    assert done.stdout
    assert TEXT.startswith(done.stdout)
    assert f"penstock watch {JOB}  |  penstock cancel {JOB}" in done.stderr


def test_ctrl_c_detaches(wire: Wire, url: str) -> None:
    wire.cuts, wire.holds = [2000], True
    with process("watch", JOB, "--url", url) as watch:
        assert watch.stdout
        assert watch.stdout.read(1)
        watch.send_signal(signal.SIGINT)
        _, words = watch.communicate(timeout=10)
    assert watch.returncode == 130
    assert f"penstock watch {JOB}  |  penstock cancel {JOB}".encode() in words
    assert b"Traceback" not in words


def test_a_reader_that_leaves_ends_it_silently(wire: Wire, url: str) -> None:
    wire.frames = frames_of(TEXT * 40)
    with process("watch", JOB, "--json", "--url", url) as watch:
        assert watch.stdout
        assert watch.stderr
        watch.stdout.readline()
        watch.stdout.close()
        assert watch.stderr.read() == b""
        assert watch.wait(10) == 141


def test_the_start_of_an_id_is_enough(url: str) -> None:
    assert penstock("show", "0000", "--url", url).exit_code == 0
    unknown = penstock("show", "ffff", "--url", url)
    assert (unknown.exit_code, unknown.stderr) == (5, "Error: no job is called 'ffff': see `penstock list`\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["submit", "story", "topic"], "'topic' is not a variable: write name=value"),
        (["submit", "topic=x"], "'topic=x' is a variable, and comes after the id of a prompt"),
        (["watch", JOB, "--timeout", "0"], "Invalid value for '--timeout'"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], words: str) -> None:
    done = penstock(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_help_imports_no_client() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cli.main", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "demo-model" in done.stdout
    assert not {"openai", "pydantic", "sqlalchemy"} & {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
