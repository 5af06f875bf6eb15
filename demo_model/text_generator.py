"""A text that looks like a thoughtful answer to a prompt: about its topic, in its language, as long as it asks.

The same request and seed always get the same text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from demo_model.passages import PassagePicker, is_chinese, measure, pools

DEFAULT_SIZE = {"zh": 400, "en": 220}
SMALLEST, LARGEST = 50, 50_000
LONGEST_TOPIC = 60
_FEW = 3
_SCALARS: Mapping[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "null": None}

_QUOTED = r"[「“\"]([^」”\"]+)[」”\"]"
# A request typed by hand is reduced to its object: "Write a short story about tea" is about tea.
_PREAMBLE = (
    r"(?:please\s+)?(?:(?:write|tell|give)\b.{0,60}?\b(?:about|on)|explain|describe)\s"
    r"|请?(?:写|讲|介绍|解释|说明)(?:一?[下篇个段])?(?:关于)?"
)
_POSTSCRIPT = r"的(?:故事|文章|报告)|是什么|,? in (?:about )?\d+ words"
# Where a topic stands, the surest place first: the section "Prices" of a report about "tea" is about tea.
_TOPICS = (
    rf"(?:\b(?:about|on|topic\s*:)|关于|主题\s*[：:])\s*{_QUOTED}",
    _QUOTED,
    r"(?:\btopic\s*:|主题\s*[：:])[ \t]*([^\n]+)",
    rf"^\s*(?:{_PREAMBLE})?(.+?)(?:{_POSTSCRIPT})?(?:[。？！?!\n]|\.\s|\.?$)",
)
_SIZE = re.compile(r"(\d[\d,]{0,9})[\s-]*(?:words?\b|个?汉?字)", re.IGNORECASE)


@dataclass(frozen=True)
class Brief:
    """`kind` is "explainer" (three fixed parts), "story" or "essay"; `size` counts words, or Chinese characters."""

    topic: str
    language: str
    kind: str
    size: int


def read_brief(prompt: str, texts: list[str]) -> Brief:
    """The brief in a prompt (the last user message); markers and length may also stand in another message."""
    everything = "\n".join(texts)
    places = (re.search(place, prompt, re.IGNORECASE) for place in _TOPICS)
    topic = next((" ".join(match[1].split()) for match in places if match), "") or "…"
    marked = next((it for it in DEFAULT_SIZE if all(mark in everything for mark in pools(it)["marker"])), None)
    # An English sentence may be about something Chinese.
    around = prompt.replace(topic, "")
    language = marked or ("zh" if is_chinese(around if re.search(r"\w", around) else topic) else "en")
    kind = "explainer" if marked else "story" if re.search(r"\bstory\b|故事", prompt, re.IGNORECASE) else "essay"
    size_match = _SIZE.search(prompt) or _SIZE.search(everything)
    size = int(size_match[1].replace(",", "")) if size_match else DEFAULT_SIZE[language]
    topic = topic if len(topic) <= LONGEST_TOPIC else topic[:LONGEST_TOPIC].rstrip() + "…"
    return Brief(topic, language, kind, max(SMALLEST, min(size, LARGEST)))


def generate_text(brief: Brief, seed: str, tokens: int | None = None) -> str:
    """The Markdown for a brief, or enough of it for so many tokens; it begins by saying what wrote it."""
    picker = PassagePicker(brief.language, brief.topic, seed)
    # A token is at most two of what `measure` counts; the third is a reserve.
    size = brief.size if tokens is None else 3 * tokens + 200
    # The last layout for which the text is long enough.
    starts = (int(name.rpartition(" ")[2]) for name in picker.pools if name.startswith(f"{brief.kind} from "))
    layout = picker.pools[f"{brief.kind} from {max(start for start in starts if start <= size)}"]
    fixed = {block: block.format_map(picker) for block in layout if not block.endswith("*}")}
    share = (size - sum(map(measure, fixed.values()))) // (len(layout) - len(fixed))
    blocks = [fixed.get(block) or picker.passages(block.strip("{*}"), share) for block in layout]
    return "\n\n".join([picker["note"], *blocks])


def generate_json(brief: Brief, seed: str, response_format: Mapping[str, Any]) -> str:
    """The JSON that a format asks for, its texts about the brief's topic."""
    picker, behind = PassagePicker(brief.language, brief.topic, seed), ""

    def say(path: str) -> str:
        nonlocal behind
        if path == ".title":
            return brief.topic[:1].upper() + brief.topic[1:]
        # An item of a list is a bold question and a sentence: a title, and what follows it.
        if path.endswith("title"):
            title, behind = picker["item"].removeprefix("**").split("**", 1)
            return title
        sentence, behind = behind or picker["item"].removeprefix("**").split("**", 1)[1], ""
        return sentence.strip()

    root = response_format.get("json_schema", {}).get("schema") or {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
    }
    return json.dumps(_instance(root, root.get("$defs", {}), say), ensure_ascii=False, indent=1)


def _instance(schema: Mapping[str, Any], parts: Mapping[str, Any], say: Callable[[str], str], path: str = "") -> Any:
    """What a schema describes: the first of what may be, few of what may be many; `say` has a text for a path."""
    match schema:
        case {"$ref": str(name)}:
            return _instance(parts[name.rpartition("/")[2]], parts, say, path)
        case {"const": value} | {"enum": [value, *_]}:
            return value
        case {"anyOf": [first, *_]}:
            return _instance(first, parts, say, path)
        case {"properties": fields}:
            return {name: _instance(field, parts, say, f"{path}.{name}") for name, field in fields.items()}
        case {"items": item}:
            count = max(schema.get("minItems", 0), min(_FEW, schema.get("maxItems", _FEW)))
            return [_instance(item, parts, say, path) for _ in range(count)]
        case {"type": kind} if kind in _SCALARS:
            return schema.get("minimum", _SCALARS[kind])
        case _:
            return say(path)[: schema.get("maxLength")]


def reason(brief: Brief, seed: str, tokens: int) -> str:
    """Thinking about the brief, long enough for so many tokens."""
    thought = PassagePicker(brief.language, brief.topic, seed)["thinking"] + "\n\n"
    return thought * (1 + 2 * tokens // measure(thought))
