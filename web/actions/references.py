"""Items that an input names by their ids only: found among the owner's stored responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from pydantic import TypeAdapter

from jobs.errors import InvalidRequest, JobNotFound
from jobs.protocol.fold import ANSWERS
from jobs.protocol.ids import job_of_item
from jobs.protocol.input_items import input_items
from jobs.requests.generation import CreateRequest
from jobs.requests.input_items import InputItem, ItemReference
from jobs.storage.store import Store

_ITEM: TypeAdapter[InputItem] = TypeAdapter(InputItem)
MOST_RESPONSES = 100
MOST_CHARACTERS = 8_000_000


def resolved(store: Store, owner: str, create: CreateRequest) -> CreateRequest:
    """The request with each reference replaced by its item; one that is named twice is there once.

    Raises InvalidRequest for an item that the owner does not have, and for too many.
    """
    if not any(isinstance(item, ItemReference) for item in create.input or ()):
        return create
    items = list(_Lookup(store, owner).items(create.input or []))
    return create.model_copy(update={"input": items})


class _Lookup:
    """Finds items; each response is read once."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._owner = owner
        self._known: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._characters = 0

    def items(self, given: list[InputItem]) -> Iterator[InputItem]:
        """The items of an input. Raises InvalidRequest."""
        named = set()
        for item in given:
            if not isinstance(item, ItemReference):
                yield item
            elif item.id not in named:
                named.add(item.id)
                yield _ITEM.validate_python(self._find(item.id))

    def _find(self, item_id: str) -> Mapping[str, Any]:
        job_id = job_of_item(item_id)
        if job_id is not None and job_id not in self._known:
            if len(self._known) >= MOST_RESPONSES:
                raise _refused(
                    f"Items of {MOST_RESPONSES} responses at most can be named: send the messages themselves."
                )
            self._known[job_id] = self._items_of(job_id)
        item = self._known.get(job_id or "", {}).get(item_id)
        if item is None:
            raise _refused(f"Item with id '{item_id}' not found.")
        self._characters += len(str(item.get("content") or item))
        if self._characters > MOST_CHARACTERS:
            raise _refused(f"The items that are named have more than {MOST_CHARACTERS} characters.")
        return item

    def _items_of(self, job_id: str) -> dict[str, Mapping[str, Any]]:
        """What the owner's response was asked and what it answered, by id; nothing if there is no such response."""
        try:
            job = self._store.get(self._owner, job_id)
        except JobNotFound:
            return {}
        if job.response is None:
            raise _refused(f"Response '{job_id}' has not ended yet: wait for it before you name its items.")
        asked = {item["id"]: item for item in input_items(job, self._store.images(job))}
        output = orjson.loads(job.response)["output"]
        return asked | {item["id"]: item for item in output if item["type"] in ANSWERS}


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="input")
