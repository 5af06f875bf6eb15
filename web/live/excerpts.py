"""What a search has found: the passage of each job, looked for once."""

from __future__ import annotations

import re

import orjson

from jobs.errors import JobNotFound
from jobs.job import Job, ListedJob
from jobs.protocol.fold import text_of
from jobs.protocol.stored_text import text_at_beginning
from jobs.storage.search.excerpts import Excerpt, excerpt
from jobs.storage.store import Store
from web.http.native_threads import NativeThreads
from web.live.lru_cache import LruCache

_CACHE_BYTES = 4 << 20
# Most passages stand there, and so much is read in a millisecond.
_BEGINNING_BYTES = 64 << 10
# Of Markdown, what would stand in the way of a reader in the middle of a sentence.
_MARKS = re.compile(r"(?<!\w)\*+(?=\S)|(?<=\S)\*+(?!\w)|`|^#+ ", re.MULTILINE)


class Excerpts:
    """The passages of jobs in which the words of a search stand."""

    def __init__(self, store: Store, threads: NativeThreads) -> None:
        self._store, self._threads = store, threads
        self._known: LruCache[Excerpt] = LruCache(_CACHE_BYTES, lambda pieces: 200 + 4 * sum(map(len, pieces)))

    def of(self, listed: ListedJob, words: str) -> Excerpt:
        """The passage of a job's text or request, in pieces (see `excerpt`); empty when only its name has the words."""
        return self._known.get(f"{listed.id} {listed.status} {words}", lambda: self._find(listed, words))

    def _find(self, listed: ListedJob, words: str) -> Excerpt:
        beginning = self._store.response_beginning(listed.owner, listed.id, _BEGINNING_BYTES)
        if found := self._threads.run(_excerpt_of_beginning, beginning, words):
            return found
        try:
            job = self._store.get(listed.owner, listed.id)
        except JobNotFound:  # deleted meanwhile
            return ()
        return self._threads.run(_excerpt, job, words)


def _excerpt_of_beginning(response: bytes, words: str) -> Excerpt:
    """The passage, if it stands in the beginning of a response and does not reach its end."""
    found = excerpt([text_at_beginning(response)], words, _without_marks)
    return found if found and found[-1].endswith("…") else ()


def _excerpt(job: Job, words: str) -> Excerpt:
    written = text_of(orjson.loads(job.response)) if job.response else ""
    return excerpt((written, job.request.search_text), words, _without_marks)


def _without_marks(passage: str) -> str:
    return _MARKS.sub("", passage)
