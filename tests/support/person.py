"""Somebody at the pages, as far as that takes no browser."""

from __future__ import annotations

import secrets

import httpx2
from sqlalchemy import update

from jobs.storage.access.api_keys import ApiKeys
from jobs.storage.schema import jobs
from jobs.storage.store import Store
from tests.support.job_factory import accepted
from tests.support.markup import Markup
from tests.support.stack import Stack


class Person:
    """A browser of an owner of their own."""

    def __init__(self, stack: Stack) -> None:
        self.owner = secrets.token_hex(4)
        self.store = Store(stack.database)
        self._database = stack.database
        key = ApiKeys(stack.database).create(self.owner)
        self.browser = httpx2.Client(
            base_url=stack.url, trust_env=False, headers={"Authorization": f"Bearer {key}"}, timeout=60
        )

    def queue(self, topic: str, prompt: str = "story") -> str:
        request = accepted(input=None, prompt={"id": prompt, "variables": {"topic": topic}})
        return self.store.accept(self.owner, request).id

    def put(self, job_id: str, **values: object) -> None:
        with self._database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))

    def look(self, path: str = "/jobs", **query: str) -> Markup:
        answer = self.browser.get(path, params=query or None)
        assert answer.status_code == 200
        page = Markup(answer.text)
        assert page.faults == []
        return page

    def act(self, **form: str | list[str]) -> httpx2.Response:
        return self.browser.post("/jobs/act", data=form)

    def statuses(self) -> list[str]:
        return [job.status for job in self.store.lists.page(self.owner, limit=100)]
