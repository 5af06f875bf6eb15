"""`db backup` beside a Penstock that works, and what is restored from its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.job import Status
from jobs.settings import Settings
from jobs.storage.attempts import Finish
from jobs.storage.database import Database
from tests.support.job_factory import JobFactory
from tests.support.stack import Stack
from tests.support.up import ask, command, eventually


def test_a_backup_is_made_while_jobs_run_and_all_of_it_is_restored(penstock: Stack, tmp_path: Path) -> None:
    ended = ask(penstock.url, "submit", "--input", "[[demo rate=0 tokens=30]] of the back-up").stdout.strip()
    text = ask(penstock.url, "watch", ended).stdout
    running = ask(penstock.url, "submit", "--input", "[[demo rate=20 tokens=4000]]").stdout.strip()
    eventually(lambda: '"in_progress"' in ask(penstock.url, "show", running, "--format", "json").stdout)
    place = tmp_path / "restored"
    file = place / "penstock.db"
    place.mkdir(mode=0o700)
    done = command("db", "backup", str(file), PENSTOCK_DATA=str(penstock.directory))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{file} holds the database, {file.stat().st_size:,} bytes\n"
    assert [path.name for path in place.iterdir()] == ["penstock.db"]
    assert file.stat().st_mode & 0o077 == 0
    ask(penstock.url, "cancel", running)

    again = command("db", "backup", str(file), PENSTOCK_DATA=str(penstock.directory))
    assert (again.returncode, again.stderr) == (2, f"Error: {file} is there already: name a new file\n")

    checked = command("db", "check", PENSTOCK_DATA=str(place))
    assert (checked.returncode, checked.stdout) == (0, "")
    restored = JobFactory(Database(Settings.load(data=place).database))
    assert text.strip()[:20].encode() in (restored.store.get("local", ended).response or b"")
    assert ended in restored.store.lists.ids("local", words="back-up")
    job = restored.store.get("local", running)
    assert job.status is Status.IN_PROGRESS
    restored.attempts.give_up(running, job.attempt)  # its worker is not there
    assert restored.finish(restored.claim(job)) is Finish.DONE
    restored.database.engine.dispose()


@pytest.mark.parametrize(
    ("file", "words"), [("missing/backup.db", "cannot write"), ("/proc/backup.db", "cannot write")]
)
def test_a_backup_that_cannot_be_written_is_one_line(penstock: Stack, tmp_path: Path, file: str, words: str) -> None:
    done = command("db", "backup", str(tmp_path / file), PENSTOCK_DATA=str(penstock.directory))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_a_backup_of_nothing_says_so(tmp_path: Path) -> None:
    nothing = command("db", "backup", "x.db", PENSTOCK_DATA=str(tmp_path))
    assert (nothing.returncode, nothing.stderr) == (2, "Error: there is no database yet: run `penstock db upgrade`\n")
