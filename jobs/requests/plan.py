"""The body of `POST /v1/responses/{id}/plan`: a report's plan as it shall be written."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

_Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00\r\n]+$")
]
_Brief = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^[^\x00]*$")]


class PlannedSection(BaseModel):
    """A section to be written; `sources` are the numbers of the parts of the source text that it needs."""

    title: _Title
    brief: _Brief = ""
    sources: Annotated[list[Annotated[int, Field(ge=1, le=10_000)]], Field(max_length=200)] = []


class Plan(BaseModel):
    """What a report shall be, its sections in their order."""

    title: _Title
    sections: Annotated[list[PlannedSection], Field(min_length=1, max_length=30)]
