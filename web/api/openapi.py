"""`/openapi.json`, the API described for programs, and `/openapi`, the same for people.

What a request may hold comes from the model that checks it, and what a response holds from the types that it is
built by, so that they cannot drift apart; the words, and the rest, stand in openapi.toml.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flask import Response, render_template
from pydantic import TypeAdapter

from jobs.protocol import wire
from jobs.requests.generation import CreateRequest
from jobs.requests.plan import Plan
from web.actions.rewrite import RewriteRequest, VersionChoice
from web.actions.shares import ShareRequest
from web.actions.thread import Question
from web.api import render
from web.api.examples import body_of, examples

_REFERENCE = "#/components/schemas/{model}"
_ANY_GUARDED = ("408", "414", "429", "401", "403", "500", "503")


def document() -> Response:
    """The description as an OpenAPI 3.1 document."""
    return render.json(describe())


def page() -> str:
    """The description to read."""
    return render_template("openapi.html", api=describe(), examples=examples, body_of=body_of)


@cache
def describe() -> dict[str, Any]:
    """The OpenAPI 3.1 document. It is built once: for reading only."""
    api = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    api["info"]["version"] = version("penstock")
    created = CreateRequest.model_json_schema(mode="validation", ref_template=_REFERENCE)
    for name, meaning in api.pop("fields").items():
        created["properties"][name]["description"] = meaning
    parts = created.pop("$defs")
    for model in (Plan, ShareRequest, RewriteRequest, VersionChoice, Question):
        body = model.model_json_schema(mode="validation", ref_template=_REFERENCE)
        parts |= {**body.pop("$defs", {}), model.__name__: body}
    answers = {name: schema for name, schema in _answers().items() if name not in parts}
    api["components"]["schemas"] = {"CreateRequest": created, **parts, **_merged(answers, api["components"]["schemas"])}
    for path in api["paths"].values():
        for operation in path.values():
            if "security" not in operation:  # which would say that it is open to all
                operation["responses"] |= {each: {"$ref": f"#/components/responses/{each}"} for each in _ANY_GUARDED}
    return api


def _answers() -> dict[str, Any]:
    """The schemas of a response and of all that is in it, by name."""
    response = TypeAdapter(wire.Response).json_schema(mode="serialization", ref_template=_REFERENCE)
    parts = response.pop("$defs")
    return {name: _without_titles(schema) for name, schema in {"Response": response, **parts}.items()}


def _without_titles(schema: Any) -> Any:
    """A schema without the titles that pydantic makes of names."""
    match schema:
        case {"properties": properties, **rest}:
            keywords = {name: value for name, value in rest.items() if name not in ("title", "description")}
            return {**keywords, "properties": {name: _without_titles(value) for name, value in properties.items()}}
        case dict():
            return {name: _without_titles(value) for name, value in schema.items() if name != "title"}
        case _:
            return schema


def _merged(schema: dict[str, Any], words: dict[str, Any]) -> dict[str, Any]:
    """A schema with what openapi.toml says in the same places."""
    merged = dict(schema)
    for name, value in words.items():
        merged[name] = _merged(merged[name], value) if isinstance(merged.get(name), dict) else value
    return merged
