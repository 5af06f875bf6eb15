"""Formulas in MathML as those of Word, which can be edited there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from web.documents.exports.formulas import ACCENTS, is_line, words_of_leaf

# What the children of an element are in Word's: the element, and its parts in their order.
_PARTS = {
    "mfrac": ("f", ("num", "den")),
    "msup": ("sSup", ("e", "sup")),
    "msub": ("sSub", ("e", "sub")),
    "msubsup": ("sSubSup", ("e", "sub", "sup")),
    "mover": ("limUpp", ("e", "lim")),
    "munder": ("limLow", ("e", "lim")),
}
_BRACKETS = {"(": ")", "[": "]", "{": "}", "|": "|", "‖": "‖", "⟨": "⟩", "⌈": "⌉", "⌊": "⌋"}
_BRACES = {"mover": "⏞", "munder": "⏟"}
_SIDES = {"mover": "top", "munder": "bot"}


def formula(math: Any) -> Any:
    """The `m:oMath` element of a formula in MathML."""
    return _with("oMath", _converted(math))


def display(math: Any) -> Any:
    """The same for a formula that stands alone."""
    return _with("oMathPara", [formula(math)])


def _with(name: str, children: Iterable[Any], **properties: str) -> Any:
    """The element `m:name`; `properties` stand before its children, in an element that is named after it."""
    element = OxmlElement(f"m:{name}")
    if properties:
        element.append(_with(f"{name}Pr", [_value(key, text) for key, text in properties.items()]))
    for child in children:
        element.append(child)
    return element


def _value(name: str, text: str) -> Any:
    element = OxmlElement(f"m:{name}")
    element.set(qn("m:val"), text)
    return element


def _converted(element: Any) -> list[Any]:
    """An element as those of Word that stand for it; one that is not known as what is in it."""
    if (marked := _marked(element)) is not None:
        return [marked]
    parts = list(element)
    name, roles = _PARTS.get(element.tag, ("", ()))
    if name and len(parts) == len(roles):
        properties = {"type": "noBar"} if element.get("linethickness") == "0" else {}
        return [
            _with(name, (_with(role, _converted(part)) for role, part in zip(roles, parts, strict=True)), **properties)
        ]
    match element.tag:
        case "menclose":
            return [_with("borderBox", [_with("e", _all(parts))])]
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
    return _all(parts) if parts else _run(element)


def _marked(element: Any) -> Any:
    """Something with an accent, a line or a brace above or below it; None for anything else."""
    tag = element.tag
    if tag not in _SIDES or len(element) != 2 or len(element[1]):
        return None
    words = (element[1].text or "").strip()
    inside = [_with("e", _converted(element[0]))]
    if is_line(words):
        return _with("bar", inside, pos=_SIDES[tag])
    if words == _BRACES[tag]:
        return _with("groupChr", inside, chr=words, pos=_SIDES[tag], vertJc="bot" if tag == "mover" else "top")
    return _with("acc", inside, chr=ACCENTS[words]) if tag == "mover" and words in ACCENTS else None


def _all(parts: Iterable[Any]) -> list[Any]:
    """Elements beside each other: what is between brackets that grow is inside Word's."""
    left, made = [part for part in parts if part.tag != "mphantom"], []
    while left:
        first = left.pop(0)
        end = _closing(first, left)
        if end is None:
            made += _converted(first)
            continue
        closing = (left[end].text or "").strip() if end < len(left) else ""
        inside = [_with("e", _all(left[:end]))]
        made.append(_with("d", inside, begChr=(first.text or "").strip(), endChr=closing))
        left = left[end + 1 :]
    return made


def _closing(first: Any, behind: Sequence[Any]) -> int | None:
    """Where the bracket ends that an element begins, which may be at the end of all; None if it begins none."""
    if first.tag != "mo":
        return None
    if first.get("form") == "prefix":
        depth = 1
        for number, element in enumerate(behind):
            depth += {"prefix": 1, "postfix": -1}.get(element.get("form"), 0)
            if not depth:
                return number
        return len(behind)
    is_pair = len(behind) > 1 and (behind[1].text or "").strip() == _BRACKETS.get((first.text or "").strip())
    return 1 if is_pair and (behind[0].tag == "mtable" or behind[0].get("linethickness") == "0") else None


def _root(degree: list[Any], parts: list[Any]) -> Any:
    inside = [_with("deg", _all(degree)), _with("e", _all(parts))]
    return _with("rad", inside, degHide="0" if degree else "1")


def _run(element: Any) -> list[Any]:
    """Words, upright where they are words: text, and names such as `sin`."""
    words = words_of_leaf(element)
    if not words:
        return []
    text = OxmlElement("m:t")
    text.text = words
    text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    if element.tag == "mtext":
        return [_with("r", [_with("rPr", [OxmlElement("m:nor")]), text])]
    return [_with("r", [text], sty="p") if words.isalpha() and len(words) > 1 else _with("r", [text])]
