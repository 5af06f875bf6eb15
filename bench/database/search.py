"""What a search costs among many jobs: milliseconds for a page and for the counts, and what the index weighs.

On SQLite, and on PostgreSQL where its programs are on the machine. `python -m bench.database.search [number of jobs]`.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from bench._results.results import parsed
from jobs.job import Status
from jobs.protocol.ids import new_job_id
from jobs.settings import Settings
from jobs.storage.database import Database
from jobs.storage.schema import jobs
from jobs.storage.search.entries import entry_words, set_entry
from jobs.storage.store import Store
from jobs.storage.versions.migrate import upgrade
from tests.support.job_factory import OWNER, JobFactory, accepted, sqlite
from tests.support.postgres import find_programs, postgres

_JOBS = 100_000
_LOOKS = 40
_WORDS, _CHARACTERS = 600, 1_500
_LETTERS = "etaoinshrdlcumwfgypbvk"
_RARE = "needle"


class _Author:
    """Writes texts with the frequencies of a language: three of four in English, the others in Chinese."""

    def __init__(self) -> None:
        self._random = random.Random(1)
        self.words = ["".join(self._random.choices(_LETTERS, k=self._random.randint(2, 11))) for _ in range(60_000)]
        self._word_weights = list(accumulate(1 / (rank + 3) for rank in range(len(self.words))))
        self.characters = [chr(0x4E00 + number) for number in range(3_500)]
        self._character_weights = list(accumulate(1 / (rank + 10) for rank in range(len(self.characters))))

    def text(self) -> str:
        if self._random.random() < 0.25:
            return "".join(self._random.choices(self.characters, cum_weights=self._character_weights, k=_CHARACTERS))
        return " ".join(self._random.choices(self.words, cum_weights=self._word_weights, k=_WORDS))


@contextmanager
def _databases() -> Iterator[dict[str, Database]]:
    with tempfile.TemporaryDirectory() as place:
        found = {"SQLite": sqlite(Path(place))}
        programs = find_programs()
        if programs is None:
            yield found
            return
        with postgres(programs) as url:
            upgrade(Settings.load(database_url=url))
            yield found | {"PostgreSQL": Database(url)}


def _fill(database: Database, author: _Author, count: int) -> float:
    """Ended jobs whose words are in the index; the middle one has a rare word. Returns the milliseconds for each."""
    request = accepted(input="a question")
    template = JobFactory(database).accept()
    spent = 0.0
    for numbers in (range(begin, min(begin + 500, count)) for begin in range(0, count, 500)):
        texts = [author.text() + f" {_RARE}" * (number == count // 2) for number in numbers]
        with database.write() as connection:
            row: dict[str, Any] = {
                "owner": OWNER,
                "status": Status.COMPLETED,
                "model": "demo",
                "request": request.to_json().decode(),
            }
            row |= {"body_hash": "", "initial_frames": template.initial_frames, "ended_at": 0.0}
            rows = [{**row, "id": new_job_id(), "created_at": float(number)} for number in numbers]
            connection.execute(insert(jobs), rows)
            began = time.perf_counter()
            for job, written in zip(rows, texts, strict=True):
                set_entry(connection, job["id"], entry_words(OWNER, None, request, written))
            spent += time.perf_counter() - began
    if database.engine.name == "postgresql":
        with database.write() as connection:
            connection.execute(text("ANALYZE"))
    return 1000 * spent / count


def _durations(look: Callable[[], object]) -> list[float]:
    durations = []
    for _ in range(_LOOKS):
        began = time.perf_counter()
        look()
        durations.append(1000 * (time.perf_counter() - began))
    return durations


def main() -> None:
    """Measure each question on each database."""
    arguments, results = parsed("search", __doc__, jobs=_JOBS)
    author = _Author()
    common, other, character = author.words[0], author.words[40], author.characters[0]
    questions = {
        "a miss": "nowhere",
        "a rare word": _RARE,
        "a common word": common,
        "two common words": f"{other} {common}",
        "a beginning": author.words[200][:3],
        "a character": character,
        "a Chinese word": "".join(author.characters[20:22]),
        "common and rare": f"{common} {_RARE}",
    }
    with _databases() as databases:
        for name, database in databases.items():
            store = Store(database)
            results.add(
                f"{name}, {arguments.jobs:,} jobs", "to index one", "ms", _fill(database, author, arguments.jobs)
            )
            for kind, question in questions.items():
                page = _durations(partial(store.lists.page, OWNER, limit=31, words=question))
                counts = _durations(partial(store.lists.counts, OWNER, words=question))
                results.add(f"{name}: {kind}", "a page", "ms", *page)
                results.add(f"{name}: {kind}", "counts", "ms", *counts)


if __name__ == "__main__":
    main()
