"""`db check`: it finds nothing in a database that only Penstock wrote, and whatever is changed by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select, update

from jobs.job import Status
from jobs.protocol import events, transcript
from jobs.protocol.transcript import TranscriptWriter
from jobs.storage.audit import audit
from jobs.storage.schema import jobs, transcripts
from jobs.storage.store import Store
from tests.support.job_factory import accepted
from tests.support.long_queue import lengthen
from tests.support.stack import Stack, running_stack
from tests.support.up import ask, command, eventually


@pytest.fixture(scope="module")
def check_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Penstock whose database is spoilt."""
    with running_stack(tmp_path_factory.mktemp("check") / "data", PENSTOCK_RETENTION_DAYS="30") as running:
        yield running


def checked(penstock: Stack) -> subprocess.CompletedProcess[str]:
    return command("db", "check", PENSTOCK_DATA=str(penstock.directory))


def finished(penstock: Stack, words: str) -> str:
    """The id of a job that has ended, whatever its end."""
    job: str = ask(penstock.url, "submit", "--input", f"[[demo rate=0 {words}]]").stdout.strip()
    ask(penstock.url, "watch", job)
    return job


def rewrite(penstock: Stack, job: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Put other frames into a job's transcript."""
    mine = transcripts.c.job_id == job
    with penstock.database.write() as connection:
        packed = connection.execute(select(transcripts.c.frames).where(mine)).scalar_one()
        writer = TranscriptWriter()
        writer.add(b"".join(change([frame for page in transcript.read(packed) for frame in page])))
        connection.execute(update(transcripts).where(mine).values(frames=writer.closed()))


def alter(penstock: Stack, job: str, **values: object) -> None:
    with penstock.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job).values(**values))


def alter_response(penstock: Stack, job: str, fields: dict[str, object]) -> None:
    with penstock.database.read() as connection:
        stored = orjson.loads(connection.execute(select(jobs.c.response).where(jobs.c.id == job)).scalar_one())
    alter(penstock, job, response=orjson.dumps({**stored, **fields}))


def without_a_word(frames: list[bytes]) -> list[bytes]:
    lost = next(frame for frame in frames if frame.startswith(b"event: response.output_text.delta"))
    return [frame for frame in frames if frame is not lost]


def with_another_end(frames: list[bytes]) -> list[bytes]:
    last = events.event_of(frames[-1])
    return [*frames, events.frame(last["type"], last["sequence_number"] + 1, {"response": last["response"]})]


def corrupt(penstock: Stack, job: str) -> None:
    with penstock.database.write() as connection:
        connection.execute(update(transcripts).where(transcripts.c.job_id == job).values(frames=b"no zlib stream"))


def remove(penstock: Stack, job: str) -> None:
    with penstock.database.write() as connection:
        connection.execute(transcripts.delete().where(transcripts.c.job_id == job))


def test_what_penstock_wrote_agrees(penstock: Stack) -> None:
    ends = ["tokens=30", "tokens=30 think=9", "status=400", "filter=5", "drop=5 fails=1 tokens=40", "echo] 翠花 [demo"]
    for words in ends:
        finished(penstock, words)
    done = checked(penstock)
    assert (done.returncode, done.stdout) == (0, "")
    count = int(done.stderr.split()[0])
    assert done.stderr == f"{count} jobs checked, 0 wrong\n"
    assert count >= len(ends)


CHANGES: dict[str, tuple[Callable[[Stack, str], None], str]] = {
    "word-lost": (lambda stack, job: rewrite(stack, job, without_a_word), "text"),
    "two-ends": (lambda stack, job: rewrite(stack, job, with_another_end), "2 terminal events"),
    "no-end": (lambda stack, job: rewrite(stack, job, lambda frames: frames[:-1]), "status, 0 terminal events"),
    "status-of-row": (lambda stack, job: alter(stack, job, status="failed"), "status"),
    "status-of-response": (lambda stack, job: alter_response(stack, job, {"status": "incomplete"}), "status"),
    "sha256-of-row": (lambda stack, job: alter(stack, job, sha256="0" * 64), "sha256"),
    "sha256-of-response": (lambda stack, job: alter_response(stack, job, {"penstock": {"sha256": "0"}}), "sha256"),
    "output": (lambda stack, job: alter_response(stack, job, {"output": []}), "text, sha256"),
    "no-response": (lambda stack, job: alter(stack, job, response=None), "no response"),
    "half-response": (lambda stack, job: alter(stack, job, response=b"{"), "unreadable: JSONDecodeError"),
    "no-transcript": (remove, "no transcript"),
    "no-zlib": (corrupt, "unreadable: error"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs_is_named(check_stack: Stack, name: str) -> None:
    job, good = finished(check_stack, f"tokens=30 seed={name}"), finished(check_stack, "tokens=5")
    change, words = CHANGES[name]
    change(check_stack, job)
    done = checked(check_stack)
    lines = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert done.returncode == 1
    assert lines[job] == words or lines[job].startswith(f"{words}(")
    assert good not in lines


def test_a_count_of_jobs_that_differs_is_named(check_stack: Stack) -> None:
    alter(check_stack, finished(check_stack, "tokens=5"), owner="another")
    done = checked(check_stack)
    assert done.returncode == 1
    assert "counts of another  1 completed jobs of prompt '', 0 counted" in done.stdout.splitlines()


def test_jobs_that_are_too_old_are_removed_with_their_counts(check_stack: Stack) -> None:
    """More than a worker removes at once."""
    store = Store(check_stack.database)
    job = store.accept("before", accepted(input="[[demo rate=0 tokens=5]]"))
    eventually(lambda: store.get("before", job.id).status.is_terminal, 60)
    lengthen(check_stack.database, job, 45)
    with check_stack.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.owner == "before").values(ended_at=1.0))
    assert store.lists.counts("before")[Status.COMPLETED] == 46
    check_stack.start_worker()  # looks at once
    eventually(lambda: not store.lists.ids("before"), 60)
    assert "before" not in checked(check_stack).stdout


def test_more_jobs_than_a_page_are_all_read(check_stack: Stack, tmp_path: Path) -> None:
    table = tmp_path / "topics.csv"
    table.write_text("topic\n" + "x\n" * 45)
    ids = ask(check_stack.url, "submit", "story", "words=50", "--each", str(table)).stdout.split()
    assert len(ids) == 45
    eventually(lambda: [job for job, _ in audit(check_stack.database) if job in ids] == ids, 60)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = command("db", "check", PENSTOCK_DATA=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "run `penstock db upgrade`" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_database_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    done = command("db", "check", PENSTOCK_DATA=str(tmp_path), PENSTOCK_DATABASE_URL=f"sqlite:///{tmp_path}")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: cannot open the database sqlite:///")
    assert done.stderr.count("\n") == 1
