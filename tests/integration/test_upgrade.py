"""`penstock up` over a database of an earlier version: its jobs are written, streamed, exported and checked."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from jobs.protocol.events import CREATED, QUEUED, frame
from jobs.protocol.ids import new_job_id
from jobs.settings import Settings
from jobs.storage.database import connect
from tests.support.up import command as cli
from tests.support.up import running

MESSAGE = {"role": "user", "content": "[[demo rate=0 first=0 tokens=30]] carried over"}
# What a request was at the first revision; each later one has added fields, which these rows lack.
REQUEST: dict[str, Any] = {
    **{"model": "demo", "background": True, "stream": False, "store": True, "metadata": {}, "prompt": None},
    **dict.fromkeys(("instructions", "user", "temperature", "top_p", "max_output_tokens", "text", "reasoning")),
    **{"service_tier": "default", "input": [MESSAGE]},
}
STATES: dict[str, dict[str, Any]] = {
    "queued": {"status": "queued", "attempt": 0, "seq_mark": 2},
    "running": {"status": "in_progress", "attempt": 1, "seq_mark": 10_002, "worker": "gone", "started_at": 1.0},
    "requeued": {"status": "queued", "attempt": 1, "seq_mark": 10_002, "started_at": 1.0},
}


def older_database(directory: Path, revision: str) -> Engine:
    """A database in `directory` as the product had it at a revision."""
    directory.mkdir(mode=0o700)
    engine = connect(Settings.load(data=directory).database)
    config = Config()
    config.set_main_option("script_location", str(files("jobs.storage") / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return engine


def insert(engine: Engine, revision: str, **state: Any) -> str:
    """A job in it, with the columns and the request that such a job had; its id."""
    job_id = new_job_id()
    request = REQUEST | ({"messages": [MESSAGE]} if revision == "0001" else {"history": []})
    response = {"id": job_id, "object": "response", "created_at": 0, "status": "queued", "output": [], "model": "demo"}
    created = {"response": {**response, "metadata": {}, "penstock": {"attempt": 0}}}
    row: dict[str, Any] = {"id": job_id, "owner": "local", "created_at": 0.0, "lost": 0, "index_mark": 0}
    row |= {"send_after": 0.0, "sends": 0}
    row |= {"request": json.dumps(request), "body_hash": job_id, "opening": frame(CREATED, 0, created)}
    row["opening"] += frame(QUEUED, 1, created)
    row |= {"model": "demo"} if revision > "0001" else {}
    row |= state
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO jobs ({names}) VALUES ({values})"), row)
    return job_id


@pytest.mark.parametrize("revision", ["0001", "0003"])
def test_jobs_of_an_earlier_version_go_on(tmp_path: Path, revision: str) -> None:
    engine = older_database(tmp_path / "data", revision)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO workers (id, counter, dead, started_at) VALUES ('gone', 5, 1, 0)"))
    ids = {name: insert(engine, revision, **state) for name, state in STATES.items()}
    engine.dispose()
    with running(tmp_path / "data", "--demo") as up:
        assert up.url, up.words
        assert "now being written" not in up.words
        for name, job in ids.items():
            watched = up.run("watch", job)
            assert watched.exit_code == 0, (name, watched.stderr)
            with urlopen(f"{up.url}/jobs/{job}.txt", timeout=30) as exported:
                assert exported.read().decode().strip() == watched.stdout.strip() != ""
            assert json.loads(up.run("show", job, "--format", "json").stdout)["status"] == "completed"
        assert up.end() == 0
    checked = cli("db", "check", PENSTOCK_DATA=str(tmp_path / "data"))
    assert (checked.returncode, checked.stdout) == (0, "")
    assert checked.stderr == f"{len(STATES)} jobs checked, 0 wrong\n"
    assert list((tmp_path / "data").glob("penstock.db.*.bak"))
