"""Which jobs a list is asked for, in the query of its address: the same for the API and for the pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobs.errors import InvalidRequest
from jobs.job import Status
from jobs.storage.lists.filters import Filter, Sort
from web.api.numbers import parse_number

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_FIELDS = ("status", "waiting", "starred", "prompt", "label", "since", "until", "q", "sort")
_CHOICES = {"status": tuple(Status), "waiting": ("plan",), "starred": ("true",), "sort": tuple(Sort)}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The `fields` that are not empty, as they stand in the address, and what they mean."""

    fields: Mapping[str, str]
    only: Filter
    sort: Sort

    @classmethod
    def of(cls, query: Mapping[str, str]) -> ListQuery:
        """What a query asks for. Raises InvalidRequest that names the field at fault."""
        fields = {name: value for name in _FIELDS if (value := query.get(name, "").strip())}
        for name, choices in _CHOICES.items():
            if fields.get(name, choices[0]) not in choices:
                raise InvalidRequest(f"'{name}' must be {_or(choices)}.", param=name)
        only = Filter(
            status=Status(fields["status"]) if "status" in fields else None,
            prompt=fields.get("prompt"),
            words=fields.get("q", ""),
            held="waiting" in fields,
            starred="starred" in fields,
            label=fields.get("label"),
            since=_moment(fields, "since"),
            until=_moment(fields, "until", days=1),
        )
        return cls(fields, only, Sort(fields.get("sort", Sort.NEWEST)))


def _moment(fields: Mapping[str, str], name: str, *, days: int = 0) -> float | None:
    """A time in Unix seconds: as such, or as a day in UTC, of which it is the beginning, or so many days later."""
    text = fields.get(name)
    if text is None:
        return None
    if not _DAY.fullmatch(text):
        try:
            return parse_number(text, name)
        except InvalidRequest:
            raise InvalidRequest(f"'{name}' must be Unix seconds, or a day: 2026-12-31.", param=name) from None
    try:
        return (datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=days)).timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"'{name}' is no day that there is: {text}.", param=name) from error


def _or(choices: tuple[str, ...]) -> str:
    return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
