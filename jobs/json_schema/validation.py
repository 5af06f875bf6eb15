"""Whether a value follows a schema: jsonschema's keywords, each counted against a budget of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry

from jobs.json_schema.patterns import Pattern

# Some seconds of Python at most, in which other threads go on. `anyOf` within `$ref` within `anyOf` doubles the
# steps with each level.
MAX_STEPS = 100_000
# A step of Python takes as long as some hundred of RE2.
_PATTERN_STEPS = 200
# Keywords that compare the whole value.
_WHOLE = frozenset({"enum", "const"})
_WHOLE_FACTOR = 8

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


class ValidationTooCostly(ValueError):
    """The schema takes too many steps on this value."""


def first_problem(schema: Mapping[str, Any], value: Any, *, steps: int = MAX_STEPS) -> ValidationError | None:
    """The first thing in `value` that is not as the schema says; None when all is.

    Raises ValidationTooCostly after so many steps, ValueError for a pattern that cannot be used.
    """
    # jsonschema would take the keywords, and the patterns, of another draft; without a registry it would fetch
    # a schema from whatever address this one names.
    root = {name: part for name, part in schema.items() if name != "$schema"}
    validator = _Keywords(steps).validator_class()(root, registry=Registry())
    return next(validator.iter_errors(value), None)


class _Keywords:
    """The keywords of one validation, which together may take so many steps; those with patterns are our own."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def validator_class(self) -> Any:
        """A class whose every keyword costs a step, and more where it looks at more."""
        own: dict[str, Keyword] = {
            "pattern": self._match_pattern,
            "patternProperties": self._check_pattern_properties,
            "additionalProperties": self._check_additional_properties,
            "uniqueItems": _check_unique_items,
        }
        keywords = {**Draft202012Validator.VALIDATORS, **own}
        counted = {name: self._counted(name, keyword) for name, keyword in keywords.items()}
        return extend(Draft202012Validator, counted)  # type: ignore[no-untyped-call]

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise ValidationTooCostly("the schema takes too many steps on this answer: make it simpler")

    def _counted(self, name: str, keyword: Keyword) -> Keyword:
        factor = _WHOLE_FACTOR if name in _WHOLE else 1

        def run(validator: Any, argument: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
            sizes = [len(each) for each in (argument, value) if isinstance(each, list | dict)]
            self._spend(factor * (1 + sum(sizes)))
            yield from keyword(validator, argument, value, schema) or ()

        return run

    def _is_in(self, source: str, text: str) -> bool:
        pattern = _pattern(source)
        self._spend(pattern.cost(text) // _PATTERN_STEPS)
        return pattern.is_in(text)

    def _match_pattern(self, validator: Any, source: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
        if validator.is_type(value, "string") and not self._is_in(source, value):
            yield ValidationError(f"{value[:100]!r} does not match {source!r}")

    def _check_pattern_properties(
        self, validator: Any, schemas: Any, value: Any, _schema: Any
    ) -> Iterator[ValidationError]:
        for name in value if validator.is_type(value, "object") else ():
            for source, inner in schemas.items():
                if self._is_in(source, name):
                    yield from validator.descend(value[name], inner, path=name, schema_path=source)

    def _check_additional_properties(
        self, validator: Any, inner: Any, value: Any, schema: Any
    ) -> Iterator[ValidationError]:
        named, sources = schema.get("properties", {}), schema.get("patternProperties", {})
        for name in value if validator.is_type(value, "object") else ():
            if name in named or any(self._is_in(source, name) for source in sources):
                continue
            if inner is False:
                yield ValidationError(f"Additional properties are not allowed ({name[:100]!r} was unexpected)")
            else:
                yield from validator.descend(value[name], inner, path=name)


@lru_cache(maxsize=256)
def _pattern(source: str) -> Pattern:
    return Pattern(source)


def _check_unique_items(validator: Any, wanted: Any, value: Any, _schema: Any) -> Iterator[ValidationError]:
    """Linear in the array: jsonschema compares each with each where it cannot sort."""
    if wanted and validator.is_type(value, "array"):
        keys = {orjson.dumps(_comparable(item), option=orjson.OPT_SORT_KEYS) for item in value}
        if len(keys) < len(value):
            yield ValidationError("the array has the same item twice")


def _comparable(value: Any) -> Any:
    """The value with one way to write a number: 1.0 is 1."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {name: _comparable(item) for name, item in value.items()}
    return value
