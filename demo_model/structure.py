"""An instance of a JSON schema, filled with passages: what a model says to `response_format`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

_FEW = 3
_SCALARS: Mapping[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "null": None}


def instance(response_format: Mapping[str, Any], say: Callable[[str], str]) -> str:
    """The JSON for a format of chat completions; `say` has a text for each field by its path."""
    form = response_format.get("json_schema", {})
    root = form.get("schema") or {"type": "object", "properties": {"answer": {"type": "string"}}}

    def fill(schema: Mapping[str, Any], name: str = "") -> Any:
        match schema:
            case {"$ref": str(path)}:
                return fill(root["$defs"][path.rpartition("/")[2]], name)
            case {"const": value} | {"enum": [value, *_]}:
                return value
            case {"anyOf": [first, *_]}:
                return fill(first, name)
            case {"properties": parts}:
                return {key: fill(part, f"{name}.{key}") for key, part in parts.items()}
            case {"items": part}:
                count = max(schema.get("minItems", 0), min(_FEW, schema.get("maxItems", _FEW)))
                return [fill(part, name) for _ in range(count)]
            case {"type": kind} if kind in _SCALARS:
                return schema.get("minimum", _SCALARS[kind])
            case _:
                return say(name)[: schema.get("maxLength")]

    return json.dumps(fill(root), ensure_ascii=False, indent=1)
