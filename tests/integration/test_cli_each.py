"""`submit --each`: one job for each row of a CSV file, against a running Penstock."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openai
import pytest
from click.testing import Result

from tests.support.stack import Stack, running_stack
from tests.support.up import COMMAND, ROOT, ask, clean_environment, command

TABLE = 'topic,words\n翠花,50\n"a quiet, long\nriver",60\n'


def run(penstock: Stack, *arguments: str, text: str | None = None) -> Result:
    return ask(penstock.url, *arguments, text=text)


def file(folder: Path, content: str = TABLE) -> str:
    path = folder / "topics.csv"
    path.write_bytes(content.encode("utf-8-sig"))
    return str(path)


def newest(penstock: Stack) -> str:
    """The newest job of all: it changes when one is accepted."""
    return run(penstock, "list", "--limit", "1").stdout[:45]


def variables(client: openai.OpenAI, job_id: str) -> object:
    prompt = client.responses.retrieve(job_id).prompt
    assert prompt
    return prompt.variables


def test_each_row_is_a_job_in_the_order_of_the_file(penstock: Stack, client: openai.OpenAI, tmp_path: Path) -> None:
    done = run(penstock, "submit", "--each", file(tmp_path), "story", "language=en")
    assert (done.exit_code, done.stderr) == (0, "")
    first, second = done.stdout.split()
    assert variables(client, first) == {"topic": "翠花", "words": "50", "language": "en"}
    assert variables(client, second) == {"topic": "a quiet, long\nriver", "words": "60", "language": "en"}
    assert run(penstock, "watch", first).exit_code == 0


def test_a_word_on_the_command_line_is_for_all_rows(penstock: Stack, client: openai.OpenAI, tmp_path: Path) -> None:
    done = run(penstock, "submit", "story", "words=70", "--json", "--each", file(tmp_path))
    jobs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [job["status"] for job in jobs] == ["queued", "queued"]
    assert [job["prompt"]["variables"]["words"] for job in jobs] == ["70", "70"]


def test_rows_come_from_stdin_too(penstock: Stack) -> None:
    asked = ("submit", "story", "--each", "-")
    assert len(command(*asked, text="topic\na\nb\n", PENSTOCK_URL=penstock.url).stdout.split()) == 2
    bad = command(*asked, text="topic\na\nb,c\n", PENSTOCK_URL=penstock.url)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "<stdin>, line 3 has 2 columns" in bad.stderr


def test_the_same_key_again_makes_no_second_job(penstock: Stack, tmp_path: Path) -> None:
    asked = ["submit", "story", "--each", file(tmp_path), "--idempotency-key"]
    first, again, other = (run(penstock, *asked, key).stdout.split() for key in ("monday", "monday", "tuesday"))
    assert len(first) == 2
    assert first == again
    assert not set(first) & set(other)
    single = ["submit", "--input", "[[demo echo rate=0]] hello", "--idempotency-key", "single"]
    assert run(penstock, *single).stdout == run(penstock, *single).stdout
    # The second row has a key of its own, made of the given one and its number.
    row = ["submit", "story", "topic=a quiet, long\nriver", "words=60", "--idempotency-key", "monday-2"]
    assert run(penstock, *row).stdout.split() == first[1:]


def test_a_bad_row_queues_nothing(penstock: Stack, tmp_path: Path) -> None:
    before = newest(penstock)
    bad = run(penstock, "submit", "story", "--each", file(tmp_path, "topic,words\na,50\nb,60\nc\n"))
    assert (bad.exit_code, bad.stdout) == (2, "")
    assert bad.stderr == (f"Error: {tmp_path}/topics.csv, line 4 has 1 columns, not 2: quote a text that has a comma\n")
    assert newest(penstock) == before


def test_what_the_server_refuses_is_said_with_its_line(penstock: Stack, tmp_path: Path) -> None:
    bad = run(penstock, "submit", "story", "--each", file(tmp_path, "topic,words\na,50\nb,few\nc,60\n"))
    assert bad.exit_code == 2
    assert bad.stderr.startswith(f"Error: {tmp_path}/topics.csv, line 3: Prompt 'story', variable 'words': 'few'")
    assert bad.stderr.count("\n") == 1
    assert bad.stdout == f"{newest(penstock)}\n"  # the first row, and nothing behind the second


def test_no_server_is_exit_code_6_and_says_how_far_it_came(tmp_path: Path) -> None:
    done = ask("http://127.0.0.1:1", "submit", "story", "--each", file(tmp_path))
    assert done.exit_code == 6
    assert f"{tmp_path}/topics.csv, line 2: no server answers at http://127.0.0.1:1" in done.stderr


@pytest.mark.parametrize(
    "more", [[], ["story", "--follow"], ["story", "--input", "x"], ["story", "--file", __file__]], ids=" ".join
)
def test_each_goes_with_a_prompt_and_little_else(penstock: Stack, tmp_path: Path, more: list[str]) -> None:
    before = newest(penstock)
    done = run(penstock, "submit", "--each", file(tmp_path), *more, text="")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--each needs the id of a prompt, and goes without --input, --file, --image and --follow" in done.stderr
    assert newest(penstock) == before


def test_a_key_that_no_header_can_carry_is_refused(penstock: Stack) -> None:
    for key in ("故事", "two\nlines"):
        done = run(penstock, "submit", "story", "topic=x", "--idempotency-key", key)
        assert done.exit_code == 2
        assert "use ASCII characters only" in done.stderr


def test_many_rows_are_listed_in_their_order(tmp_path: Path) -> None:
    table = file(tmp_path, "topic\n" + "".join(f"topic {number}\n" for number in range(120)))
    with running_stack(tmp_path / "data", workers=0) as queue:
        ids = run(queue, "submit", "story", "--each", table).stdout.split()
        listed = [json.loads(line) for line in run(queue, "list", "--json", "--limit", "500").stdout.splitlines()]
    assert [(job["id"], job["prompt"]["variables"]["topic"]) for job in reversed(listed)] == [
        (job_id, f"topic {number}") for number, job_id in enumerate(ids)
    ]


def test_a_thousand_rows_go_over_one_connection(tmp_path: Path) -> None:
    connections = 0

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps its connections
        disable_nagle_algorithm = True

        def setup(self) -> None:
            nonlocal connections
            connections += 1
            super().setup()

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"id": asked["prompt"]["variables"]["topic"], "object": "response"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    topics = [f"topic-{number}" for number in range(1000)]
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        table = file(tmp_path, "\n".join(["topic", *topics]))
        done = ask(f"http://127.0.0.1:{server.server_address[1]}", "submit", "story", "--each", table)
        server.shutdown()
        thread.join()
    assert done.stdout.split() == topics
    assert connections == 1


def test_progress_is_for_a_terminal_only(penstock: Stack, tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    argv = [*COMMAND, "submit", "story", "--url", penstock.url, "--each", file(tmp_path)]
    with subprocess.Popen(
        argv, cwd=ROOT, env=clean_environment(TERM="xterm"), stdout=subprocess.PIPE, stderr=terminal
    ) as process:
        os.close(terminal)
        output, _ = process.communicate(timeout=60)
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert len(output.split()) == 2
    assert b"submitting" not in output
    assert "submitting" in shown
    assert "resp_" not in shown
    assert shown.rindex("\x1b[2K") > shown.rindex("submitting")  # erased
