"""Formulas in MathML as words, for where no formula can stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_RAISED = str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")
_LOWERED = str.maketrans("0123456789+-−=()aeoxijnmkp", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₒₓᵢⱼₙₘₖₚ")
_SPACED = frozenset("=<>≤≥≈≠≡→←⇒⇔∈+−±×·")


def as_words(element: Any) -> str:
    """A formula on one line: `(a + b)/c`, `x²`, `√(2)`."""
    parts = list(element)
    write = _WRITTEN.get(element.tag)
    if write is not None and len(parts) == _PARTS.get(element.tag, len(parts)):
        return write(parts)
    if parts:
        return "".join(map(as_words, parts))
    words = (element.text or "").strip()
    return f" {words} " if element.tag == "mo" and words in _SPACED else words


def _grouped(element: Any) -> str:
    words = as_words(element).strip()
    return words if len(words) < 2 or words.isalnum() else f"({words})"


def _script(element: Any, mark: str, characters: dict[int, int]) -> str:
    words = as_words(element).replace(" ", "")
    small = words.translate(characters)
    is_small = all(ord(character) in characters for character in words)
    return small if is_small else f"{mark}{words if len(words) == 1 else f'({words})'}"


def _raised(element: Any) -> str:
    return _script(element, "^", _RAISED)


def _lowered(element: Any) -> str:
    return _script(element, "_", _LOWERED)


def _row(cells: list[Any]) -> str:
    return ", ".join(as_words(cell).strip() for cell in cells)


_PARTS = {"mfrac": 2, "msup": 2, "msub": 2, "mover": 2, "munder": 2, "mroot": 2, "msubsup": 3, "munderover": 3}
_WRITTEN: dict[str, Callable[[list[Any]], str]] = {
    "mfrac": lambda parts: f"{_grouped(parts[0])}/{_grouped(parts[1])}",
    "msup": lambda parts: as_words(parts[0]) + _raised(parts[1]),
    "mover": lambda parts: as_words(parts[0]) + _raised(parts[1]),
    "msub": lambda parts: as_words(parts[0]) + _lowered(parts[1]),
    "munder": lambda parts: as_words(parts[0]) + _lowered(parts[1]),
    "msubsup": lambda parts: as_words(parts[0]) + _lowered(parts[1]) + _raised(parts[2]),
    "munderover": lambda parts: as_words(parts[0]) + _lowered(parts[1]) + _raised(parts[2]),
    "msqrt": lambda parts: f"√({''.join(map(as_words, parts))})",
    "mroot": lambda parts: f"{_raised(parts[1])}√({as_words(parts[0])})",
    "mtr": _row,
    "mtable": lambda rows: "[" + "; ".join(map(as_words, rows)) + "]",
}
