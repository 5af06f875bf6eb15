"""`doctor`: what it says of a machine where all is well, and of each thing that can be wrong with one."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

import pytest
import redis
from sqlalchemy import text

from tests.support.stack import Stack
from tests.support.up import command


def examined(penstock: Stack, *arguments: str, **changes: str) -> CompletedProcess[str]:
    """What `doctor` says of a running Penstock, or of one with other settings."""
    settings = {
        "PENSTOCK_DATA": str(penstock.directory),
        "PENSTOCK_REDIS_URL": penstock.settings.redis_url,
        "PENSTOCK_MODEL": "demo+rate=0+tokens=9",
        "PENSTOCK_URL": penstock.url,
        "OPENAI_BASE_URL": penstock.model.url,
        **changes,
    }
    done = command("doctor", *arguments, **settings)
    assert done.stderr == ""
    assert done.returncode == (1 if "\nFAIL" in f"\n{done.stdout}" else 0)
    return done


def with_model(penstock: Stack, directives: str) -> list[str]:
    """Mark and words of each line about a model that is asked for with these directives."""
    done = examined(penstock, "--model", f"demo+rate=0+tokens=9+{directives}", PENSTOCK_FIRST_TOKEN_SECONDS="2")
    lines = [line.split(None, 2) for line in done.stdout.splitlines() if " model: " in line]
    return [f"{mark} {words}" for mark, _, words in lines[1:]]


def test_all_is_well(penstock: Stack) -> None:
    done = examined(penstock)
    assert done.returncode == 0
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"ok"}
    assert f"ok    data directory: {penstock.directory}\n" in done.stdout
    assert "ok    database: it has the newest version\n" in done.stdout
    assert "ok    Redis: it answers, and evicts nothing\n" in done.stdout
    assert f"ok    model: {penstock.model.url} offers demo; demo+rate=0+tokens=9 is chosen\n" in done.stdout
    assert "chunks\n" in done.stdout
    assert "ok    model: it counts its tokens\n" in done.stdout
    assert "ok    model: its finish_reason is stop\n" in done.stdout
    assert f"ok    server: {penstock.url} is ready\n" in done.stdout


@pytest.mark.parametrize(
    ("directives", "words"),
    [
        ("seed=1", "ok it shows no reasoning"),
        ("think=3", "ok its reasoning comes as reasoning_content"),
        ("think=3+field=reasoning", "ok its reasoning comes as reasoning"),
        ("think=3+field=tag", "ok its reasoning comes as <think> in the text"),
        ("tokens=1", "warn its first token took"),
        ("nooptions", "warn it refuses stream_options: Penstock copes, but shows no usage"),
        ("nousage", "warn it does not count its tokens in a stream: Penstock copes, but shows no usage"),
        ("nostream", "warn it does not stream: Penstock copes, but all of the text comes at the end"),
        ("filter=3", "ok its finish_reason is content_filter"),
        ("filter=0", "FAIL its answer has no text"),
        ("done=3", "FAIL its answer breaks off, without a finish_reason"),
        ("html", "FAIL what answers there is no chat model; see OPENAI_BASE_URL, OPENAI_API_KEY and PENSTOCK_MODEL"),
        ("status=401", "FAIL Error code: 401 - Incorrect API key provided: demo.; see OPENAI_BASE_URL"),
        ("error=3", "FAIL the model ran out of memory; see OPENAI_BASE_URL"),
        ("stall=3", "FAIL Request timed out.; see OPENAI_BASE_URL"),
    ],
)
def test_how_the_model_answers(penstock: Stack, directives: str, words: str) -> None:
    lines = with_model(penstock, directives)
    assert any(line.startswith(words) for line in lines), lines


def test_a_wrong_setting_ends_it(penstock: Stack) -> None:
    done = examined(penstock, PENSTOCK_CONCURRENCY="many")
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL  settings: PENSTOCK_CONCURRENCY: ")
    assert done.stdout.count("\n") == 1


def test_nothing_is_set_and_nothing_runs(penstock: Stack, tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = command("doctor", PENSTOCK_DATA=str(data), PENSTOCK_REDIS_URL=penstock.settings.redis_url)
    assert "ok    database: there is none yet; `penstock up` makes it\n" in done.stdout
    assert "warn  model: none is set; `penstock up` brings the offline demo model\n" in done.stdout
    assert " server: " in done.stdout
    assert not data.exists()


def test_what_cannot_be_reached_is_named(penstock: Stack, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = examined(
        penstock,
        "--url",
        "http://127.0.0.1:1",
        PENSTOCK_DATA=str(tmp_path / "file" / "data"),
        PENSTOCK_DATABASE_URL=f"sqlite:///{tmp_path}",
        PENSTOCK_REDIS_URL="redis://:secret@127.0.0.1:1/0",
        OPENAI_BASE_URL="http://127.0.0.1:1/v1",
    )
    marks = {line.split(":")[0] for line in done.stdout.splitlines()}
    subjects = ["data directory", "database", "Redis", "model", "server"]
    assert marks == {"ok    settings", *(f"FAIL  {subject}" for subject in subjects)}
    assert f"FAIL  data directory: {tmp_path}/file is no folder; name another with PENSTOCK_DATA\n" in done.stdout
    assert "see that its folder is there, and that this user may write to it\n" in done.stdout
    assert "secret" not in done.stdout


def test_a_port_that_another_program_has_is_said(penstock: Stack) -> None:
    done = examined(penstock, "--url", penstock.model.url.removesuffix("/v1"))
    assert "FAIL  server: another program answers at http://127.0.0.1:" in done.stdout


def test_a_model_is_to_be_chosen(penstock: Stack) -> None:
    done = examined(penstock, PENSTOCK_MODEL="", PENSTOCK_MODELS="demo+rate=0+tokens=3,demo")
    assert "offers demo; demo+rate=0+tokens=3 is chosen" in done.stdout


def test_what_is_broken_is_said_and_left_as_it_is(own_stack: Stack) -> None:
    with own_stack.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with redis.Redis.from_url(own_stack.settings.redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    own_stack.lose(own_stack.workers[0])
    done = examined(own_stack)
    assert "FAIL  database: the database has version 0000, not " in done.stdout
    assert "then run `penstock db upgrade`\n" in done.stdout
    assert "warn  Redis: its maxmemory-policy is allkeys-lru: make it noeviction" in done.stdout
    assert f"FAIL  server: {own_stack.url} is not ready, and says " in done.stdout
    assert '"workers":0' in done.stdout
    assert "start one with `penstock worker`" in done.stdout
    with own_stack.database.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0000"
