"""Formulas in MathML as those of Word, which can be edited there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from docx.oxml import OxmlElement
from docx.oxml.ns import qn

# What the children of an element are in Word's: the element, and its parts in their order.
_PARTS = {
    "mfrac": ("f", ("num", "den")),
    "msup": ("sSup", ("e", "sup")),
    "msub": ("sSub", ("e", "sub")),
    "msubsup": ("sSubSup", ("e", "sub", "sup")),
    "mover": ("limUpp", ("e", "lim")),
    "munder": ("limLow", ("e", "lim")),
}


def formula(math: Any) -> Any:
    """The `m:oMath` element of a formula in MathML."""
    return _with("oMath", _converted(math))


def _with(name: str, children: Iterable[Any]) -> Any:
    element = OxmlElement(f"m:{name}")
    for child in children:
        element.append(child)
    return element


def _converted(element: Any) -> list[Any]:
    """An element as those of Word that stand for it; one that is not known as what is in it."""
    parts = list(element)
    name, roles = _PARTS.get(element.tag, ("", ()))
    if name and len(parts) == len(roles):
        return [_with(name, (_with(role, _converted(part)) for role, part in zip(roles, parts, strict=True)))]
    match element.tag:
        case "msqrt":
            return [_root([], parts)]
        case "mroot" if len(parts) == 2:
            return [_root([parts[1]], [parts[0]])]
        case "munderover" if len(parts) == 3:
            lower = _with("limLow", (_with("e", _converted(parts[0])), _with("lim", _converted(parts[1]))))
            return [_with("limUpp", (_with("e", [lower]), _with("lim", _converted(parts[2]))))]
        case "mtable":
            rows = ([_with("e", _converted(cell)) for cell in row] for row in parts)
            return [_with("m", (_with("mr", row) for row in rows))]
    return _all(parts) if parts else _run((element.text or "").strip())


def _all(parts: Iterable[Any]) -> list[Any]:
    return [converted for part in parts for converted in _converted(part)]


def _root(degree: list[Any], parts: list[Any]) -> Any:
    hidden = OxmlElement("m:degHide")
    hidden.set(qn("m:val"), "0" if degree else "1")
    return _with("rad", [_with("radPr", [hidden]), _with("deg", _all(degree)), _with("e", _all(parts))])


def _run(words: str) -> list[Any]:
    if not words:
        return []
    text = OxmlElement("m:t")
    text.text = words
    return [_with("r", [text])]
