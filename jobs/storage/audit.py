"""Reads every ended job again, and says where what is stored of it disagrees. It changes nothing."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import Row, select

from jobs.protocol import transcript
from jobs.protocol.events import TERMINAL, events_of
from jobs.protocol.fold import Fold, Response, text_of
from jobs.storage.database import Database
from jobs.storage.schema import jobs, transcripts

_PAGE = 20

_Row = Row[*tuple[Any, ...]]


def audit(database: Database) -> Iterator[tuple[str, list[str]]]:
    """Each ended job's id, in order of age, with the names of what differs: none when all is well.

    What its transcript folds to, the stored response and the row must agree. Reads a few jobs at a time.
    """
    last = ""
    while rows := _page(database, last):
        for row in rows:
            yield row.id, _differences(row)
        last = rows[-1].id


def _page(database: Database, after: str) -> Sequence[_Row]:
    query = (
        select(jobs.c.id, jobs.c.status, jobs.c.response, jobs.c.sha256, transcripts.c.frames)
        .outerjoin(transcripts, transcripts.c.job_id == jobs.c.id)
        .where(jobs.c.ended_at.is_not(None), jobs.c.id > after)
        .order_by(jobs.c.id)
        .limit(_PAGE)
    )
    with database.read() as connection:
        return connection.execute(query).all()


def _differences(row: _Row) -> list[str]:
    if row.response is None or row.frames is None:
        return ["no response" if row.response is None else "no transcript"]
    try:
        stored = orjson.loads(row.response)
        folded, ends = _folded(row.frames)
        text = text_of(stored)
        agrees = {
            "text": text_of(folded) == text,
            "status": folded["status"] == stored["status"] == row.status,
            "sha256": hashlib.sha256(text.encode()).hexdigest() == stored["penstock"]["sha256"] == row.sha256,
            f"{ends} terminal events": ends == 1,
        }
    except (zlib.error, LookupError, TypeError, ValueError) as error:
        return [f"unreadable: {error!r}"]
    return [name for name, good in agrees.items() if not good]


def _folded(packed: bytes) -> tuple[Response, int]:
    """The response that a transcript's events describe, and how many of them are terminal."""
    state, ends = Fold(), 0
    for page in transcript.read(packed):
        for event in events_of(page):
            state.feed(event)
            ends += event["type"] in TERMINAL
    return state.response(), ends
