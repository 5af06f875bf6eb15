"""The migrations: they make what the tables say, on both databases, and a SQLite file is copied before them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text

from jobs.errors import BadSetting
from jobs.job import Status
from jobs.protocol import events, response
from jobs.protocol.ids import new_job_id
from jobs.protocol.transcript import TranscriptWriter
from jobs.requests.job_request import UNCHANGED_FIELDS, JobRequest
from jobs.settings import Settings
from jobs.storage.attempts import Finish
from jobs.storage.audit import audit
from jobs.storage.database import Database, connect
from jobs.storage.migrations.all_tables import metadata
from jobs.storage.versions.migrate import revisions, upgrade
from jobs.storage.waiters import WaiterRegistry
from tests.support.job_factory import OWNER, JobFactory, accepted
from tests.support.own_database import bring_to, own_settings


def test_the_migrations_make_what_the_tables_say_and_do_so_once(database: Database, job_factory: JobFactory) -> None:
    job, url = job_factory.accept(), database.engine.url
    upgrade(Settings.load(database_url=url.render_as_string(hide_password=False)))
    assert job_factory.get(job.id) == job
    assert not list(Path(url.database or "").parent.glob("*.bak"))
    with database.engine.connect() as connection:
        opts = {"include_name": lambda name, kind, _parents: kind != "table" or not name.startswith("search_index")}
        assert compare_metadata(MigrationContext.configure(connection, opts=opts), metadata) == []


def test_a_file_of_another_version_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    settings = Settings.load(data=tmp_path)
    upgrade(settings)
    engine = connect(settings.database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(BadSetting, match=r"cannot open the database sqlite:///.*penstock\.db: .*0000"):
        upgrade(settings)  # while that is in the write-ahead log only: the pool still has its connection
    engine.dispose()
    with closing(sqlite3.connect(tmp_path / "penstock.db.0000.bak")) as copy:
        assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [("0000",)]


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(database: Database) -> None:
    settings = Settings.load(database_url=database.engine.url.render_as_string(hide_password=False))
    with database.engine.begin() as connection:
        today = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        with pytest.raises(BadSetting, match=f"has version 9999, and this Penstock knows none above {today}: install"):
            upgrade(settings)
        current, newest = revisions(settings)
        assert (current, newest) == ("9999", today)
    finally:
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :today"), {"today": today})


@pytest.fixture
def older(database: Database, tmp_path: Path) -> Iterator[Engine]:
    """An empty database of the same kind; each test brings it to an older version."""
    engine = connect(own_settings(database, tmp_path / "older.db").database)
    yield engine
    engine.dispose()


def insert(engine: Engine, table: str, **row: object) -> None:
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), row)


REQUIRED = {"owner": OWNER, "status": "queued", "created_at": 0.0, "attempt": 0, "lost": 0, "seq_mark": 2} | {
    "index_mark": 0, "send_after": 0.0, "sends": 0, "body_hash": "before", "opening": b""
}  # fmt: skip


def test_jobs_of_an_older_version_get_the_prompt_of_their_request(older: Engine) -> None:
    bring_to(older, "0002")
    for job_id, prompt in (("a", {"id": "story"}), ("b", None)):
        insert(older, "jobs", id=job_id, **REQUIRED, request=json.dumps({"prompt": prompt}))
    upgrade(Settings.load(database_url=older.url.render_as_string(hide_password=False)))
    with older.connect() as connection:
        assert connection.execute(text("SELECT id, prompt FROM jobs ORDER BY id")).all() == [
            ("a", "story"),
            ("b", None),
        ]


def test_jobs_of_the_commit_before_go_on_after_the_upgrade(older: Engine) -> None:
    """Rows as commit 3197a84 wrote them: one that waits, one that runs, one that has ended, one that is not stored."""
    bring_to(older, "0003")
    request = dict.fromkeys(UNCHANGED_FIELDS) | {"model": "demo", "background": True, "stream": False}
    request |= {"store": True, "metadata": {}, "service_tier": "default", "prompt": None, "history": []}
    request |= {"input": [{"role": "user", "content": 'not "store":false'}]}
    ids = {name: new_job_id() for name in ("queued", "running", "ended", "unstored")}
    for name, job_id in ids.items():
        kept = {**request, "store": name != "unstored"}
        row = {**REQUIRED, "id": job_id, "model": "demo", "tier": 0, "taken": 0, "search": "x"}
        row |= {"request": orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode(), "idempotency_key": name}
        frames = response.initial_frames(job_id, 0, JobRequest.from_json(orjson.dumps(kept)))
        row |= {"opening": frames}
        if name == "running":
            row |= {"status": "in_progress", "attempt": 1, "worker": "gone", "seq_mark": 10_002, "index_mark": 2}
            row |= {"started_at": 1.0}
        if name == "ended":
            created = events.event_of(events.split(frames)[0])["response"]
            final = response.ended(created, Status.COMPLETED, now=9, text="")
            row |= {"status": "completed", "attempt": 1, "ended_at": 9.0, "response": orjson.dumps(final)}
            row |= {"sha256": final["penstock"]["sha256"], "words": 0, "tokens": 0}
        insert(older, "jobs", **row)
        if name == "ended":
            transcript = TranscriptWriter()
            transcript.add(frames)
            end = events.frame(events.COMPLETED, 2, {"response": final})
            insert(older, "transcripts", job_id=job_id, frames=transcript.closed(end))
    url = older.url.render_as_string(hide_password=False)
    upgrade(Settings.load(database_url=url))
    job_factory = JobFactory(Database(url))
    assert job_factory.store.accept(OWNER, accepted(), idempotency_key="ended").id == ids["ended"]
    assert job_factory.get(ids["ended"]).request.input[0]["content"] == 'not "store":false'
    assert job_factory.attempts.requeue_orphans("gone") == 1
    claims = {claim.job.id: claim for claim in iter(lambda: job_factory.attempts.claim("w"), None)}
    assert claims.keys() == {ids["queued"], ids["running"], ids["unstored"]}
    assert (claims[ids["running"]].attempt, claims[ids["running"]].first) == (2, 10_002)
    for claim in claims.values():
        assert job_factory.finish(claim) is Finish.DONE
    assert WaiterRegistry(job_factory.database).forget_unstored() == [ids["unstored"]]
    assert dict(audit(job_factory.database)) == {ids[name]: [] for name in ("queued", "running", "ended")}
    job_factory.database.engine.dispose()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "PENSTOCK_DATABASE_URL"),
        ("oracle+nothing://x", "PENSTOCK_DATABASE_URL"),
        ("sqlite:////nowhere/at/all.db", "cannot open the database"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/x", "cannot open the database"),
    ],
)
def test_a_database_that_is_not_there_is_one_line(url: str, words: str) -> None:
    with pytest.raises(BadSetting, match=words) as caught:
        upgrade(Settings.load(database_url=url))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
