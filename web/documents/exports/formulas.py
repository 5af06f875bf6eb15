"""Formulas in MathML as words, for where no formula can stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Marks above something, and the characters that put them above the one before.
ACCENTS = dict(zip("^~˜→˙¨ˇ´`˘", "\u0302\u0303\u0303\u20d7\u0307\u0308\u030c\u0301\u0300\u0306", strict=True))
_LINES = frozenset("―¯‾_")
_BRACES = frozenset("⏞⏟⎴⎵")
_RAISED = str.maketrans("0123456789+-−=()ni′″‴∘", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ′″‴°")
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
    words = words_of_leaf(element)
    if element.tag == "mi" and len(words) > 1 and words.isalpha():
        return f"{words} "  # `sin x`
    return f" {words} " if element.tag == "mo" and words in _SPACED else words


def words_of_leaf(element: Any) -> str:
    """The words of an element without others in it: the spaces of a text are kept, and wide space is one."""
    if element.tag == "mspace":
        return "" if element.get("width", "").startswith(("-", "0")) else " "
    words: str = element.text or ""
    return words.replace("\xa0", " ") if element.tag == "mtext" else words.strip()


def is_line(mark: str) -> bool:
    """Whether a mark above or below something is a line."""
    return mark in _LINES


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


def _above(parts: list[Any]) -> str:
    base, mark = as_words(parts[0]), as_words(parts[1]).strip()
    if mark in _BRACES:
        return base
    if combining := "\u0305" if mark in _LINES else ACCENTS.get(mark):
        return "".join(f"{character}{combining}" for character in base.strip())
    return base + _raised(parts[1])


def _below(parts: list[Any]) -> str:
    base, mark = as_words(parts[0]), as_words(parts[1]).strip()
    if mark in _BRACES:
        return base
    if mark in _LINES:
        return "".join(f"{character}\u0332" for character in base.strip())
    return (base if list(parts[0]) == [] else _grouped(parts[0])) + _lowered(parts[1])


def _row(cells: list[Any]) -> str:
    return ", ".join(as_words(cell).strip() for cell in cells)


_PARTS = {"mfrac": 2, "msup": 2, "msub": 2, "mover": 2, "munder": 2, "mroot": 2, "msubsup": 3, "munderover": 3}
_WRITTEN: dict[str, Callable[[list[Any]], str]] = {
    "mfrac": lambda parts: f"{_grouped(parts[0])}/{_grouped(parts[1])}",
    "msup": lambda parts: as_words(parts[0]) + _raised(parts[1]),
    "mover": _above,
    "mphantom": lambda _: "",
    "msub": lambda parts: as_words(parts[0]) + _lowered(parts[1]),
    "munder": _below,
    "msubsup": lambda parts: as_words(parts[0]) + _lowered(parts[1]) + _raised(parts[2]),
    "munderover": lambda parts: as_words(parts[0]) + _lowered(parts[1]) + _raised(parts[2]),
    "msqrt": lambda parts: f"√({''.join(map(as_words, parts))})",
    "mroot": lambda parts: f"{_raised(parts[1])}√({as_words(parts[0])})",
    "mtr": _row,
    "mtable": lambda rows: "[" + "; ".join(map(as_words, rows)) + "]",
}
