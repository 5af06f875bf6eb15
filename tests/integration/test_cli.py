"""The client commands, and the single processes, against a running Penstock."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import Result
from rich.cells import cell_len

from cli.launch.listening import listen
from jobs.protocol.fold import fold, text_of
from tests.support.stack import Stack
from tests.support.up import COMMAND, ROOT, ask, clean_environment, command, eventually


def run(penstock: Stack, *arguments: str, text: str | None = None) -> Result:
    return ask(penstock.url, *arguments, text=text)


def submitted(penstock: Stack, *arguments: str) -> str:
    done = run(penstock, "submit", *arguments)
    assert re.fullmatch(r"resp_[0-9a-f]{40}\n", done.stdout), done.stderr
    assert done.stderr == f"{penstock.url}/jobs/{done.stdout}"
    return done.stdout.strip()


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def test_a_prompt_is_followed_to_its_end(penstock: Stack) -> None:
    done = run(penstock, "submit", "story", "topic=翠花", "words=100", "--follow")
    assert done.exit_code == 0
    job = done.stderr.strip().rsplit("/", 1)[1]
    with penstock.client() as client:
        assert done.stdout == client.responses.retrieve(job).output_text
    assert "翠花" in done.stdout
    assert run(penstock, "watch", job).stdout == done.stdout
    assert run(penstock, "show", job).stdout == done.stdout


def test_what_is_submitted_can_be_listed_shown_and_saved(penstock: Stack, tmp_path: Path) -> None:
    job = submitted(penstock, "explainer", "topic=a penstock")
    assert run(penstock, "watch", job[5:20]).exit_code == 0
    line = run(penstock, "list", "--limit", "1").stdout
    assert re.fullmatch(rf"{job}  completed    \d{{4}}-\d\d-\d\d \d\d:\d\d  explainer .*topic=a penstock.*\n", line)
    whole = json.loads(run(penstock, "show", "last", "--format", "json").stdout)
    assert whole["id"] == job
    assert json.loads(run(penstock, "list", "--limit", "1", "--json").stdout)["id"] == job
    assert run(penstock, "list", "--status", "failed", "--limit", "1").stdout.count(job) == 0
    assert run(penstock, "show", job, "-o", str(tmp_path / "text.md")).stdout == ""
    assert (tmp_path / "text.md").read_text() == run(penstock, "show", job).stdout
    for name, start in (("text.docx", b"PK"), ("text.html", b"<!doctype html>")):
        assert run(penstock, "show", job, "-o", str(tmp_path / name)).exit_code == 0
        assert (tmp_path / name).read_bytes().startswith(start)
    assert run(penstock, "show", job, "-o", str(tmp_path / "none" / "text.docx")).stderr.endswith(
        "No such file or directory\n"
    )


def test_a_terminal_of_80_columns_gets_a_line_a_job(penstock: Stack) -> None:
    job = submitted(penstock, "explainer", f"topic={'关于水管 ' * 20}")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = clean_environment(PENSTOCK_URL=penstock.url, LANG="C.UTF-8", TERM="xterm")
    environment.pop("COLUMNS", None)
    with subprocess.Popen([*COMMAND, "list", "--limit", "3"], cwd=ROOT, env=environment, stdout=theirs) as process:
        assert process.wait(60) == 0
    printed = os.read(ours, 100_000).decode().splitlines()
    os.close(ours)
    os.close(theirs)
    assert {cell_len(line) for line in printed} == {80}
    assert "explainer: 关于水管" in printed[0]
    assert job.startswith(printed[0].split()[-1])


def test_a_job_is_deleted(penstock: Stack) -> None:
    job = submitted(penstock, "--input", "[[demo rate=0 tokens=5]]")
    done = run(penstock, "delete", job, "--json")
    assert (done.exit_code, done.stderr) == (0, f"{job} is deleted\n")
    assert json.loads(done.stdout)["deleted"] is True
    assert run(penstock, "show", job).exit_code == 5
    assert run(penstock, "delete", job).exit_code == 5


def test_a_graceful_cancel_keeps_whole_sentences(penstock: Stack) -> None:
    job = submitted(penstock, "--input", "[[demo rate=50 tokens=4000]]")
    eventually(lambda: run(penstock, "show", job).stdout)
    assert run(penstock, "cancel", job, "--graceful").exit_code == 0
    assert run(penstock, "watch", job).exit_code == 1
    assert json.loads(run(penstock, "show", job, "--format", "json").stdout)["status"] == "incomplete"


def test_plain_text_comes_from_an_option_a_file_or_stdin(penstock: Stack, tmp_path: Path) -> None:
    echo = "[[demo echo rate=0]]"
    (tmp_path / "text").write_text("from a file")
    assert run(penstock, "submit", "--input", f"{echo} said", "--follow").stdout.strip() == "said"
    assert run(penstock, "submit", "--follow", text=f"{echo} from stdin").stdout.strip() == "from stdin"
    both = run(penstock, "submit", "--input", "-", "--file", str(tmp_path / "text"), "--follow", text=echo)
    assert both.stdout.strip() == "from a file"


def test_json_is_the_events_and_the_events_are_the_job(penstock: Stack) -> None:
    done = run(penstock, "submit", "--input", "[[demo rate=0 tokens=20 think=5]]", "--follow", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert fold(events) == events[-1]["response"]
    later = run(penstock, "watch", events[0]["response"]["id"], "--json", "--since", "7")
    assert [json.loads(line) for line in later.stdout.splitlines()] == events[8:]


def test_reasoning_goes_to_stderr_and_only_when_asked_for(penstock: Stack) -> None:
    job = submitted(penstock, "--input", "[[demo rate=0 tokens=20 think=5]]")
    plain, thinking = run(penstock, "watch", job), run(penstock, "watch", job, "--reasoning")
    assert plain.stderr == ""
    assert thinking.stderr != ""
    assert thinking.stdout == plain.stdout
    assert thinking.stderr not in thinking.stdout


@pytest.mark.parametrize("directives", ["status=400", "filter=5", "error=5"])
def test_a_job_that_fails_or_stops_short_is_exit_code_1(penstock: Stack, directives: str) -> None:
    done = run(penstock, "submit", "--input", f"[[demo rate=0 {directives}]]", "--follow")
    assert done.exit_code == 1
    assert re.search(r"^(failed|incomplete): .*\.$", done.stderr, re.MULTILINE)


def test_a_cancelled_job_keeps_its_text_and_is_exit_code_3(penstock: Stack) -> None:
    job = submitted(penstock, "--input", "[[demo rate=20 tokens=2000]]")
    eventually(lambda: run(penstock, "show", job).stdout != "")
    done = run(penstock, "cancel", job)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"{job} is cancelled\n")
    watched = run(penstock, "watch", job)
    assert watched.exit_code == 3
    assert watched.stdout != ""


def test_what_there_is_now_is_printed_without_waiting(penstock: Stack) -> None:
    job = submitted(penstock, "--input", "[[demo rate=20 tokens=2000 think=5]]")
    eventually(lambda: run(penstock, "watch", job, "--no-follow").stdout != "")
    now = run(penstock, "watch", job, "--no-follow", "--reasoning")
    assert now.exit_code == 0
    assert now.stderr != ""
    events = [json.loads(line) for line in run(penstock, "watch", job, "--no-follow", "--json").stdout.splitlines()]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert text_of(fold(events)).startswith(now.stdout)
    later = run(penstock, "watch", job, "--no-follow", "--json", "--since", str(len(events) - 1))
    assert not later.stdout or json.loads(later.stdout.splitlines()[0])["sequence_number"] == len(events)
    run(penstock, "cancel", job)
    ended = run(penstock, "watch", job, "--no-follow")
    assert ended.exit_code == 3
    assert ended.stdout.startswith(now.stdout)
    assert ended.stdout == run(penstock, "show", job).stdout


def test_an_ended_job_can_be_tried_again(penstock: Stack) -> None:
    failed = run(penstock, "submit", "--input", "[[demo rate=0 status=400 fails=1 tokens=20]] tried twice", "--follow")
    assert failed.exit_code == 1
    job = json.loads(run(penstock, "show", "last", "--format", "json").stdout)["id"]
    again = run(penstock, "retry", job[:30], "--follow")
    assert again.exit_code == 0
    new = json.loads(run(penstock, "show", "last", "--format", "json").stdout)
    assert new["id"] != job
    assert new["penstock"]["retry_of"] == job
    assert again.stdout == text_of(new) != ""
    assert again.stderr == f"{penstock.url}/jobs/{new['id']}\n"
    third = run(penstock, "retry", job)
    assert re.fullmatch(r"resp_[0-9a-f]{40}\n", third.stdout)
    run(penstock, "watch", third.stdout.strip())  # only what has ended is tried again
    assert json.loads(run(penstock, "retry", "last", "--json").stdout)["penstock"]["retry_of"] == third.stdout.strip()


def test_what_cannot_be_tried_again_is_said(penstock: Stack) -> None:
    job = submitted(penstock, "--input", "[[demo rate=20 tokens=2000]]")
    running = run(penstock, "retry", job)
    assert (running.exit_code, running.stdout) == (2, "")
    assert running.stderr.count("\n") == 1
    run(penstock, "cancel", job)
    assert run(penstock, "retry", "resp_" + "0" * 40).exit_code == 5


def test_jobs_are_found_by_their_words(penstock: Stack) -> None:
    job = submitted(penstock, "story", "topic=the Wolpertinger of Zwiesel", "words=50")
    other = submitted(penstock, "story", "topic=something else", "words=50")
    found = run(penstock, "list", "-q", "wolpertinger", "--limit", "100").stdout
    assert job in found
    assert other not in found
    assert run(penstock, "list", "-q", "no such words anywhere").stdout == ""


def test_ctrl_c_leaves_the_job_running(penstock: Stack) -> None:
    job = submitted(penstock, "--input", "[[demo rate=40 tokens=200]]")
    watch = [*COMMAND, "watch", job, "--url", penstock.url]
    with subprocess.Popen(watch, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as viewer:
        assert viewer.stdout
        viewer.stdout.read(1)
        viewer.send_signal(signal.SIGINT)
        assert viewer.wait(10) == 130
    assert run(penstock, "watch", job).exit_code == 0


@pytest.mark.parametrize("command", ["watch", "show", "cancel", "retry"])
def test_an_id_may_be_short(penstock: Stack, command: str) -> None:
    job = submitted(penstock, "--input", "[[demo rate=0 tokens=5]]")
    run(penstock, "watch", job)
    for name in ("last", job[:-4], job.removeprefix("resp_")[:-4]):
        # An ended job cannot be cancelled: that this is said shows that it was found.
        assert run(penstock, command, name).exit_code == (2 if command == "cancel" else 0)
        if command == "retry":
            break
    assert run(penstock, command, "f").exit_code == 5
    assert run(penstock, command, "resp_").exit_code == 2


def test_what_the_server_refuses_is_said_in_its_words(penstock: Stack) -> None:
    unknown = run(penstock, "watch", "resp_" + "0" * 40)
    assert unknown.exit_code == 5
    assert "not found" in unknown.stderr
    wrong = run(penstock, "submit", "nonesuch", "topic=x")
    assert wrong.exit_code == 2
    assert "nonesuch" in wrong.stderr
    assert wrong.stderr.count("\n") == 1


def test_the_database_can_be_made_by_hand(tmp_path: Path) -> None:
    done = command("db", "upgrade", PENSTOCK_DATA=str(tmp_path / "data"))
    assert done.returncode == 0
    assert (tmp_path / "data" / "penstock.db").is_file()


def test_each_process_can_be_run_alone(penstock: Stack, tmp_path: Path) -> None:
    settings = {
        "PENSTOCK_DATA": str(penstock.directory),
        "PENSTOCK_REDIS_URL": penstock.settings.redis_url,
        "PENSTOCK_MODEL": "demo",
        "OPENAI_BASE_URL": penstock.model.url,
    }
    log = tmp_path / "log"
    with listen("127.0.0.1", 0) as listener, log.open("wb") as output:
        commands = [["web", "--fd", str(listener.fd)], ["worker", "-c", "2"], ["demo-model", "--port", "0"]]
        processes = [
            subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=ROOT,
                env=clean_environment(**settings),
                stdout=output,
                stderr=output,
                pass_fds=[listener.fd],
            )
            for arguments in commands
        ]
        try:
            eventually(lambda: answers(f"{listener.url}/healthz"), 60)
            eventually(lambda: " ready." in log.read_text() and "/v1\n" in log.read_text(), 60)
            began = time.monotonic()
            for process in processes:
                process.terminate()
            assert {process.wait(30) for process in processes} <= {0, -signal.SIGTERM}
            assert time.monotonic() - began < 20
        finally:
            for process in processes:
                process.kill()
