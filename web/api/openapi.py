"""`/openapi.json`, the API described for programs, and `/openapi`, the same for people.

What a request may hold comes from the model that checks it, so that the two cannot drift apart; the rest stands
in openapi.toml.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flask import Response, render_template

from jobs.requests.generation import CreateRequest
from web.api import render

_ANY_GUARDED = ("401", "403", "500", "503")


def document() -> Response:
    """The description as an OpenAPI 3.1 document."""
    return render.json(describe())


def page() -> str:
    """The description to read."""
    return render_template("openapi.html", api=describe())


@cache
def describe() -> dict[str, Any]:
    """The OpenAPI 3.1 document. It is built once: for reading only."""
    api = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    api["info"]["version"] = version("penstock")
    created = CreateRequest.model_json_schema(mode="validation", ref_template="#/components/schemas/{model}")
    for name, meaning in api.pop("fields").items():
        created["properties"][name]["description"] = meaning
    parts = created.pop("$defs")
    api["components"]["schemas"] = {"CreateRequest": created, **parts, **api["components"]["schemas"]}
    for path in api["paths"].values():
        for operation in path.values():
            if "security" not in operation:  # which would say that it is open to all
                operation["responses"] |= {each: {"$ref": f"#/components/responses/{each}"} for each in _ANY_GUARDED}
    return api
