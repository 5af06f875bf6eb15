"""What a prompt asks for, as far as the demo model understands it: topic, language, kind and length."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from demo_model.phrasebook import is_chinese, pools

DEFAULT_SIZE = {"zh": 400, "en": 220}
SMALLEST, LARGEST = 50, 50_000
LONGEST_TOPIC, LONGEST_GUESS = 60, 40
FEWEST_WORDS = 4

_QUOTED = r"(?:「([^」]+)」|“([^”]+)”|\"([^\"]+)\")"
# Where a topic stands, the surest place first: the section "Prices" of a report about "tea" is about tea.
_TOPICS = (
    re.compile(r"(?:\b(?:about|on|topic\s*:)|关于|主题\s*[：:])\s*" + _QUOTED, re.IGNORECASE),
    re.compile(_QUOTED),
    re.compile(r"(?:\btopic\s*:|主题\s*[：:])[ \t]*([^\n]+)", re.IGNORECASE),
)
# A request typed by hand is reduced to its object: "Write a short story about tea" is about tea.
_PREAMBLE = re.compile(
    r"^(?:please\s+)?(?:(?:write|tell|give)\b.{0,60}?\b(?:about|on)|explain|describe)\s+"
    r"|^请?(?:写|讲|介绍|解释|说明)(?:一?[下篇个段])?(?:关于)?",
    re.IGNORECASE,
)
_POSTSCRIPT = re.compile(r"(?:的(?:故事|文章|报告)|是什么|,? in (?:about )?\d+ words)$")
_SENTENCE_END = re.compile(r"[。？！?!\n]|\.\s")
# A heading that is quoted as the topic goes on in lower case inside a sentence.
_ARTICLE = re.compile(r"^(?:The|An?|How|What|Why|When|Where|Who)\b")
_SIZE = re.compile(r"(\d[\d,]*)[\s-]*(?:words?\b|个?汉?字)", re.IGNORECASE)
_KINDS = {"story": r"\bstory\b|故事", "section": r"\bsection\b|章节|小节|[本这]一?[章节]", "essay": ""}


@dataclass(frozen=True)
class Brief:
    """`kind` is "explainer" (three fixed parts), "story", "section" (of a longer text) or "essay".

    `size` counts words, or Chinese characters.
    """

    topic: str
    language: str
    kind: str
    size: int


def read_brief(prompt: str, texts: Sequence[str]) -> Brief:
    """The brief in a prompt (the last user message); markers and length may also stand in another message."""
    everything = "\n".join(texts)
    topic = _topic(prompt)
    marked = next((it for it in DEFAULT_SIZE if all(mark in everything for mark in pools(it)["marker"])), None)
    language = marked or _language(prompt, topic)
    kind = next(kind for kind, pattern in _KINDS.items() if re.search(pattern, prompt, re.IGNORECASE))
    asked = _SIZE.search(prompt) or _SIZE.search(everything)
    size = int(asked[1].replace(",", "")) if asked else DEFAULT_SIZE[language]
    return Brief(topic, language, "explainer" if marked else kind, max(SMALLEST, min(size, LARGEST)))


def _topic(prompt: str) -> str:
    found = next(filter(None, (place.search(prompt) for place in _TOPICS)), None)
    if found:
        topic, longest = found[found.lastindex or 0], LONGEST_TOPIC
    else:
        sentence = _SENTENCE_END.split(prompt.strip(), maxsplit=1)[0].rstrip(".")
        topic, longest = _PREAMBLE.sub("", sentence), LONGEST_GUESS
    topic = _ARTICLE.sub(lambda word: word[0].lower(), _POSTSCRIPT.sub("", " ".join(topic.split())))
    return (topic if len(topic) <= longest else topic[:longest].rstrip() + "…") or "…"


def _language(prompt: str, topic: str) -> str:
    """Chinese if the prompt has Chinese, unless that is only the topic of an English sentence."""
    around = prompt.replace(topic, " ")
    if is_chinese(around):
        return "zh"
    return "zh" if is_chinese(topic) and len(around.split()) < FEWEST_WORDS else "en"
