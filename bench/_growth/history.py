"""Makes a history of so many jobs as fast as the database takes them: what it is made of, not how, is as in use."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, text

from jobs.job import Status
from jobs.protocol.ids import new_job_id
from jobs.storage.database import Database
from jobs.storage.schema import job_counts, jobs, search_entries, transcripts
from jobs.storage.search.words import owner_word
from jobs.storage.store import Store
from tests.support.stack import Stack, wait_for
from tests.support.wire import create
from web.auth import LOCAL_OWNER

RARE_WORD = "needle"
_ROWS_AT_ONCE = 1_000
_DAYS = 365
_WORDS_OF_A_JOB = 100
_TEXT = "a question [[demo tokens=300 rate=0]]"
_TSVECTOR = text(
    "INSERT INTO search_index (rowid, words) VALUES (:number, array_to_tsvector(string_to_array(:words, ' ')))"
)
_FTS5 = text("INSERT INTO search_index (rowid, words) VALUES (:number, :words)")
# As many pages as the writes of so many jobs merge one by one.
_MERGE = text("INSERT INTO search_index (search_index, rank) VALUES ('merge', 32000)")
_NUMBERED = text("SELECT setval(pg_get_serial_sequence('search_entries', 'number'), max(number)) FROM search_entries")


class History:
    """Copies of two ended jobs of one owner, one of a prompt and one without, over a year, with words of their own."""

    def __init__(self, stack: Stack) -> None:
        self._database: Database = stack.database
        self._is_postgresql = self._database.engine.name == "postgresql"
        story = {"id": "story", "variables": {"topic": _TEXT}}
        self._templates = [self._ended(stack, fields) for fields in ({"input": _TEXT}, {"prompt": story})]
        self._random = random.Random(1)
        self._words = ["".join(self._random.choices("etaoinshrdlc", k=6)) for _ in range(50_000)]
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(len(self._words))))
        self.common_word = self._words[0]
        self.count = 0
        self.ids = list[str]()

    def grow(self, count: int) -> None:
        """Have so many jobs."""
        with self._loading() if self._is_postgresql else nullcontext():
            while self.count < count:
                self._add(min(_ROWS_AT_ONCE, count - self.count))

    @contextmanager
    def _loading(self) -> Iterator[None]:
        """Index words and count jobs once for all: row by row it takes PostgreSQL an hour for a million."""
        with self._database.engine.connect() as connection:
            each = connection.execution_options(isolation_level="AUTOCOMMIT")
            index = "SELECT indexdef FROM pg_indexes WHERE indexname = 'search_index_words'"
            definition = each.execute(text(index)).scalar_one()
            each.execute(text("DROP INDEX search_index_words"))
            yield
            each.execute(text("SET maintenance_work_mem = '1GB'"))
            each.execute(text("SET statement_timeout = 0"))
            each.execute(text(definition))
            each.execute(job_counts.delete())
            each.execute(insert(job_counts).from_select(["owner", "status", "prompt", "jobs"], _counted()))
            each.execute(text("VACUUM ANALYZE"))

    def _ended(self, stack: Stack, fields: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        job_id = create(stack.url, **fields)["id"]
        frames = wait_for(lambda: Store(stack.database).transcript(job_id))
        with self._database.read() as connection:
            return dict(connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one()), frames

    def _add(self, count: int) -> None:
        rows, texts = [], []
        for _ in range(count):
            row, frames = self._random.choice(self._templates)
            status = Status.FAILED if self._random.random() < 0.01 else Status.COMPLETED
            ended_at = time.time() - self._random.random() * _DAYS * 86_400
            rows.append({**row, "id": new_job_id(), "status": status, "created_at": ended_at - 9, "ended_at": ended_at})
            texts.append({"job_id": rows[-1]["id"], "frames": frames})
        self.ids = [row["id"] for row in rows]
        with self._database.write() as connection:
            if self._is_postgresql:  # neither triggers, which count, nor checks of keys
                connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(insert(jobs), rows)
            connection.execute(insert(transcripts), texts)
            self._index(connection, self.ids)
        self.count += count

    def _index(self, connection: Connection, job_ids: Sequence[str]) -> None:
        newest = select(func.coalesce(func.max(search_entries.c.number), 0))
        first = connection.execute(newest).scalar_one() + 1
        entries, words = [], []
        for number, job_id in enumerate(job_ids):
            written = self._random.choices(self._words, cum_weights=self._weights, k=_WORDS_OF_A_JOB)
            rare = [RARE_WORD] * (self.count + number == 500)
            mine = list(dict.fromkeys([owner_word(LOCAL_OWNER), *written, *rare]))
            entries.append({"number": first + number, "job_id": job_id, "indexed": len(mine)})
            words.append({"number": first + number, "words": " ".join(mine)})
        connection.execute(insert(search_entries), entries)
        connection.execute(_TSVECTOR if self._is_postgresql else _FTS5, words)
        connection.execute(_NUMBERED if self._is_postgresql else _MERGE)


def _counted() -> Select[Any]:
    """How many jobs each owner has of a status and prompt."""
    columns = (jobs.c.owner, jobs.c.status, func.coalesce(jobs.c.prompt, "").label("prompt"))
    return select(*columns, func.count()).where(jobs.c.ended_at.is_not(None)).group_by(*columns)
