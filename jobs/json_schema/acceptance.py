"""Which schemas are accepted. All that could cost much later is refused here, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, SchemaError

from jobs.json_schema.patterns import Pattern

MAX_SCHEMAS = 1000
MAX_DEPTH = 32
MAX_PATTERNS = 100
# How many schemas may apply to one and the same value one after the other.
_MAX_CHAIN = 64
_MAX_REASON = 300

_ONE = ("not", "if", "then", "else")
_LISTS = ("allOf", "anyOf", "oneOf")
_INNER = ("items", "contains", "additionalProperties", "propertyNames", "additionalItems")
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
# Their cost cannot be bounded by counting, and a value's own part of the schema need not have them.
_UNSUPPORTED = ("unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef")

Schema = Mapping[str, Any]


def check_schema(schema: Schema) -> None:
    """Raise ValueError, one line, when this is no JSON schema or one that Penstock does not run."""
    schemas = list(_walk(schema))
    _check_patterns(schemas)
    for inner in schemas:
        for name in _UNSUPPORTED:
            if name in inner:
                raise ValueError(f"'{name}' is not supported")
        if inner is not schema and any(isinstance(inner.get(name), str) for name in ("$schema", "$id")):
            raise ValueError("'$schema' and '$id' are supported at the top only")
        reference = inner.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise ValueError(f"'$ref' may only point into the schema itself, not to {reference[:80]!r}")
    try:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker([]))
    except SchemaError as error:
        raise ValueError(error.message[:_MAX_REASON]) from error
    _Chains(schema, schemas).check()


def _walk(schema: Schema) -> Iterator[Schema]:
    """The schema and all schemas in it. Raises ValueError when they are too many or too deep."""
    pending: list[tuple[Any, int]] = [(schema, 1)]
    count = 0
    while pending:
        inner, depth = pending.pop()
        if not isinstance(inner, Mapping):
            continue
        count += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        if count > MAX_SCHEMAS:
            raise ValueError(f"it has more than {MAX_SCHEMAS} parts")
        yield inner
        pending += [(part, depth + 1) for part in _parts(inner)]


def _parts(schema: Schema) -> Iterator[Any]:
    for name in (*_ONE, *_INNER):
        yield schema.get(name)
    for name in (*_LISTS, "prefixItems", "items"):
        if isinstance(schema.get(name), list):
            yield from schema[name]
    for name in _MAPS:
        if isinstance(schema.get(name), Mapping):
            yield from schema[name].values()


def _check_patterns(schemas: list[Schema]) -> None:
    patterns = {schema["pattern"] for schema in schemas if isinstance(schema.get("pattern"), str)}
    for schema in schemas:
        if isinstance(schema.get("patternProperties"), Mapping):
            patterns |= set(schema["patternProperties"])
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"it has more than {MAX_PATTERNS} patterns")
    for pattern in patterns:
        Pattern(pattern)


class _Chains:
    """The ways from schema to schema that all apply to one and the same value."""

    def __init__(self, root: Schema, schemas: list[Schema]) -> None:
        self._root, self._schemas = root, schemas
        self._anchors = {schema["$anchor"]: schema for schema in schemas if isinstance(schema.get("$anchor"), str)}
        self._heights: dict[int, int] = {}

    def check(self) -> None:
        """Refuse a `$ref` that leads nowhere, and ways that are too long: one that leads back has no end."""
        for schema in self._schemas:
            self._height(schema, 0)

    def _height(self, schema: Any, chain: int) -> int:
        if not isinstance(schema, Mapping):
            return 0
        height = self._heights.get(id(schema))
        if height is None and chain <= _MAX_CHAIN:
            height = 1 + max((self._height(part, chain + 1) for part in self._next(schema)), default=0)
            self._heights[id(schema)] = height
        if height is None or chain + height > _MAX_CHAIN:
            raise ValueError("a '$ref' leads back to where it stands, or over too many others")
        return height

    def _next(self, schema: Schema) -> Iterator[Any]:
        for name in _ONE:
            yield schema.get(name)
        for name in _LISTS:
            yield from schema.get(name, [])
        yield from schema.get("dependentSchemas", {}).values()
        if "$ref" in schema:
            yield _target(self._root, self._anchors, schema["$ref"])


def _target(root: Schema, anchors: Mapping[str, Schema], reference: str) -> Any:
    if not reference.startswith("#/"):
        target: Any = anchors.get(reference[1:]) if len(reference) > 1 else root
    else:
        target = root
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and key.isdecimal() and int(key[:9]) < len(target):
                target = target[int(key[:9])]
            else:
                target = target.get(key) if isinstance(target, Mapping) else None
    if not isinstance(target, Mapping | bool):
        raise ValueError(  # noqa: TRY004  (a schema at fault, as everywhere here)
            f"'$ref' points to {reference[:80]!r}, where no schema is"
        )
    return target
