"""Whole numbers in the query of a request: parsed in one place, and compared as numbers."""

from __future__ import annotations

from jobs.errors import InvalidRequest

_MAX_DIGITS = 15


def parse_number(text: str, param: str, *, low: int = 0, high: int = 10**_MAX_DIGITS - 1) -> int:
    """The number, from `low` to `high`, that the digits say. Raises InvalidRequest that names the parameter."""
    digits = text.lstrip("0") or text[:1]
    if text.isascii() and text.isdigit() and len(digits) <= _MAX_DIGITS and low <= int(digits) <= high:
        return int(digits)
    scope = f"a number from {low} to {high}" if low else "a number: 0, 1, 2, ..."
    raise InvalidRequest(f"'{param}' must be {scope}.", param=param)
