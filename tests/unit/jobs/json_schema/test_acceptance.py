"""Which schemas of a user are accepted."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jobs.errors import InvalidRequest
from jobs.json_schema.acceptance import MAX_SCHEMAS, check_schema
from jobs.requests.generation import parse


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


ABSURD = {
    "huge count": ({"pattern": "x{99999999999}"}, "more than 999 times"),
    "open groups": ({"pattern": "(" * 5000}, "longer than 1000"),
    "unclosed group": ({"pattern": "(" * 500}, "cannot be used"),
    "lookahead": ({"pattern": "(?=a)b"}, "no lookaround"),
    "backreference in a name": ({"patternProperties": {r"(a)\1": {}}}, "no backreferences"),
    "half a surrogate pair": ({"pattern": "\ud800"}, "cannot be used"),
    "deep": (nested(180), "nested deeper"),
    "wide": ({"anyOf": [{} for _ in range(MAX_SCHEMAS)]}, "more than 1000 parts"),
    "many patterns": ({"anyOf": [{"pattern": f"a{number}"} for number in range(101)]}, "more than 100 patterns"),
    "refers to itself": ({"$ref": "#"}, "leads back"),
    "a ring": ({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}, "leads back"),
    "elsewhere": ({"$ref": "https://example.org/schema"}, "may only point into"),
    "nowhere": ({"$ref": "#/$defs/none"}, "where no schema is"),
    "another draft inside": ({"not": {"$schema": "http://json-schema.org/draft-07/schema#"}}, "at the top only"),
    "no type": ({"type": "nope"}, "nope"),
    "not supported": ({"unevaluatedProperties": False}, "not supported"),
}


@pytest.mark.parametrize(("schema", "words"), ABSURD.values(), ids=ABSURD)
def test_an_absurd_schema_is_refused_in_words_and_soon(schema: dict[str, Any], words: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match=words) as refusal:
        check_schema(schema)
    assert time.monotonic() - began < 2
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_a_request_with_one_is_told_which_field_is_at_fault() -> None:
    body = b'{"input":"x","text":{"format":{"type":"json_schema","name":"n","schema":{"pattern":"x{99999999999}"}}}}'
    with pytest.raises(InvalidRequest, match="999 times") as refusal:
        parse(body)
    assert refusal.value.param == "text.format"


def test_a_recursive_schema_that_steps_into_the_value_is_accepted() -> None:
    check_schema({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"next": {"$ref": "#"}, "default": {"type": "string", "pattern": "^a+$"}},
        "required": ["default"],
        "additionalProperties": False,
    })  # fmt: skip
