"""What the content of a message says when it is more than a text: a list of parts, of which some are thoughts."""

from __future__ import annotations

from typing import Any

_THOUGHTS = frozenset(
    {"thinking", "thought", "summary_text"}
    | {"reasoning", "reasoning_content", "reasoning_text", "reasoning.text", "reasoning.summary"}
)
_FIELDS = ("text", "thinking", "reasoning", "reasoning_content", "summary", "content", "thought")
_DEPTH = 5


def contents_of(content: Any) -> tuple[str, str, str]:
    """Text, reasoning and refusal in a message's content, whichever form it has."""
    if isinstance(content, str):
        return content, "", ""
    text = reasoning = refusal = ""
    for part in content if isinstance(content, list) else [content]:
        kind = str(part.get("type") or "") if isinstance(part, dict) else ""
        if kind == "refusal":
            refusal += _text(part.get("refusal") or part.get("text"))
        elif (
            kind in _THOUGHTS
            or kind.startswith("reasoning")
            or (isinstance(part, dict) and part.get("thought") is True)
        ):
            reasoning += _text(part)
        elif kind in ("", "text", "output_text"):
            text += _text(part)
    return text, reasoning, refusal


def _text(part: Any, depth: int = 0) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, list) and depth < _DEPTH:
        return "".join(_text(inner, depth + 1) for inner in part)
    if isinstance(part, dict) and depth < _DEPTH:
        field = next((part[name] for name in _FIELDS if part.get(name) and part[name] is not True), "")
        return _text(field, depth + 1)
    return str(part) if type(part) in (int, float) else ""
