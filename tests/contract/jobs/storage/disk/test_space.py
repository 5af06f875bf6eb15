"""What removed jobs leave in SQLite's files is given back to the disk, a little at a time."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text, update

from jobs.storage.database import Database
from jobs.storage.disk.space import shorten_log
from jobs.storage.schema import jobs, transcripts
from tests.support.job_factory import JobFactory, sqlite

MEGABYTE = 1 << 20
JOBS = 25


def test_the_room_of_removed_jobs_is_given_back(tmp_path: Path) -> None:
    database = sqlite(tmp_path)
    job_factory, file = JobFactory(database), tmp_path / "penstock.db"
    job_ids = [job_factory.claim().job.id for _ in range(JOBS)]
    with database.write() as connection:
        connection.execute(update(jobs).values(status="completed", ended_at=1.0))
        for job_id in job_ids:
            connection.execute(transcripts.insert().values(job_id=job_id, frames=bytes(2 * MEGABYTE)))
    log = file.with_name("penstock.db-wal")
    assert log.stat().st_size > JOBS * 2 * MEGABYTE
    job_factory.store.give_back_space()
    assert log.stat().st_size == 0
    assert file.stat().st_size > JOBS * 2 * MEGABYTE

    while job_factory.store.expire(2.0, limit=5):
        pass
    steps = 0
    while (free := free_pages(database)) > 4_000:
        job_factory.store.give_back_space()
        assert free_pages(database) == free - 500
        steps += 1
    assert steps > 10
    shorten_log(file)
    assert file.stat().st_size < 18 * MEGABYTE  # new jobs find some room
    database.engine.dispose()


def free_pages(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(text("PRAGMA freelist_count")).scalar_one())
