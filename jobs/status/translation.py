"""Texts in a language: who shows them says which."""

from __future__ import annotations

from typing import Protocol


class Translation(Protocol):
    """Says an English text in another language."""

    def __call__(self, text: str, /, **values: object) -> str:
        """The text with `{name}` filled in; of "one job|{n} jobs" the first is for an `n` of 1."""


def english(text: str, /, **values: object) -> str:
    """The text itself, for programs and the terminal."""
    singular, *plural = text.split("|")
    template = plural[0] if plural and values.get("n") != 1 else singular
    return template.format(
        **{name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()}
    )


def duration(seconds: float, _: Translation = english) -> str:
    """How long something lasts, in its two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return _("{n} s", n=whole)
    if whole < 3600:
        return _("{m} min {s} s", m=whole // 60, s=whole % 60)
    if whole < 86400:
        return _("{h} h {m} min", h=whole // 3600, m=whole % 3600 // 60)
    return _("{d} d {h} h", d=whole // 86400, h=whole % 86400 // 3600)


def rough_duration(seconds: float, _: Translation = english) -> str:
    """A duration in its largest unit."""
    whole = round(seconds)
    if whole < 60:
        return _("{n} s", n=whole)
    if whole < 3600:
        return _("{n} min", n=whole // 60)
    if whole < 2 * 86400:
        return _("{n} h", n=whole // 3600)
    return _("{n} days", n=whole // 86400)
