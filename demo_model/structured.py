"""JSON instead of text, when `response_format` asks for it: an instance of the schema, or an outline."""

from __future__ import annotations

import json
import re
from typing import Any

from demo_model.brief import Brief
from demo_model.phrasebook import Phrasebook

LONGEST_LIST = 50

_COUNT = re.compile(r"(\d+)\s*(?:\w+ )?(?:sections?|parts?|chapters?|个?(?:章|节|小节|部分))", re.IGNORECASE)
_TITLE = re.compile("title|heading|name")
_SECTION: dict[str, Any] = {"properties": {"title": {}, "summary": {}}}
_OUTLINE = {"properties": {"title": {}, "sections": {"items": _SECTION}}}


def compose_json(brief: Brief, seed: str, response_format: dict[str, Any], prompt: str) -> str:
    """The JSON text; a list in it has as many items as the prompt asks for sections, or five."""
    schema = (response_format.get("json_schema") or {}).get("schema") or _OUTLINE
    asked = _COUNT.search(prompt)
    count = min(int(asked[1]), LONGEST_LIST) if asked else 5
    instance = _Instance(Phrasebook(brief.language, brief.topic, seed), schema.get("$defs", {}), count)
    return json.dumps(instance.of(schema, ""), ensure_ascii=False)


class _Instance:
    """Fills schemas of the kind that structured output allows; `count` is the length of a list."""

    def __init__(self, book: Phrasebook, definitions: dict[str, Any], count: int) -> None:
        self._book = book
        self._definitions = definitions
        self._count = count

    def of(self, schema: dict[str, Any], name: str) -> Any:
        """A value that fits the schema of the property `name`."""
        if choices := schema.get("anyOf", schema.get("allOf")):
            return self.of(choices[0], name)
        if "$ref" in schema:
            return self.of(self._definitions[schema["$ref"].rpartition("/")[2]], name)
        if "const" in schema or "enum" in schema:
            return schema.get("const", schema.get("enum", [None])[0])
        if "properties" in schema:
            return {key: self.of(value, key) for key, value in schema["properties"].items()}
        if "items" in schema:
            count = min(max(self._count, schema.get("minItems", 0)), schema.get("maxItems", self._count))
            return [self.of(schema["items"], name) for _ in range(count)]
        return self._plain(schema, name)

    def _plain(self, schema: dict[str, Any], name: str) -> Any:
        if schema.get("type", "string") == "string":
            return self._book.draw("outline title" if _TITLE.search(name) else "outline line")
        return {"boolean": True, "null": None}.get(schema["type"], schema.get("minimum", 1))
