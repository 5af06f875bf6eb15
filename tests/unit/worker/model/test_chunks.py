"""What a model's chunks say, however its text is cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk

from worker.model.answer.think_tags import ThinkTagParser
from worker.model.chunks import ChunkReader, Kind, Slot

TEXTS = {
    "<think>why</think>because": ("why", "because"),
    "\n <think>\n why \n</think>\n\n because": ("why \n", "because"),
    "<think></think>because": ("", "because"),
    "<think>why <b></thin></think>so </think> <think>is</think>": ("why <b></thin>", "so </think> <think>is</think>"),
    "<think>never said</thi": ("never said</thi", ""),
    "because <think>no thought</think>": ("", "because <think>no thought</think>"),
    "<thinking>about</thinking>": ("about", ""),
    "<Thought>\nwhy</thought>\n\nbecause": ("why", "because"),
    "[THINK]why[/THINK]because": ("why", "because"),
    "<seed:think>why</seed:think>because": ("why", "because"),
    "\u25c1think\u25b7why\u25c1/think\u25b7because": ("why", "because"),
    "<think>why</think>\n<think>really</think>because": ("whyreally", "because"),
    "<think>why</think></think>because": ("why", "because"),
    "<think>a `</think>` b</think>because": ("a `</think>` b", "because"),
    # Without an opening tag, which the template wrote into the prompt.
    "why\n</think>\n\nbecause": ("why\n", "because"),
    "</think>because": ("", "because"),
    'why "so"</think>because': ('why "so"', "because"),
    "`why` so[/THINK]because of `</think>`": ("`why` so", "because of `</think>`"),
    # What talks about tags.
    "use `</think>` here": ("", "use `</think>` here"),
    'use "</think>" here': ("", 'use "</think>" here'),
    "so\n```xml\n</think>\n```\nhere": ("", "so\n```xml\n</think>\n```\nhere"),
    "a [1] <b>c</b> [d": ("", "a [1] <b>c</b> [d"),
    "<thi": ("", "<thi"),
    "a\ud83d\ude00": ("", "a😀"),
    "a\ud83db\ude00\ud83d": ("", "a\ufffdb\ufffd\ufffd"),
}
PIECES = [
    *("<think>", "</think>", "[THINK]", "[/THINK]", "<", "think>", "`", '"', " ", "\n", "x"),
    *("翠", "\ud83d", "\ude00", "\ufeff"),
]


def read(chunks: Iterable[str]) -> tuple[str, str]:
    """The reasoning and the answer in these chunks."""
    texts: dict[Slot, str] = dict.fromkeys(Kind, "")
    for kind, text in filter(None, ChunkReader().pieces(AIMessageChunk(content=chunk) for chunk in chunks)):
        if kind is Kind.RETRACTION:
            texts[Kind.REASONING] += texts.pop(Kind.TEXT)
            texts[Kind.TEXT] = ""
            continue
        assert kind is Kind.TEXT or not texts[Kind.TEXT]
        texts[kind] += text
    return texts[Kind.REASONING], texts[Kind.TEXT]


def cut(text: str, places: Iterable[int]) -> list[str]:
    borders = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[begin:end] for begin, end in zip(borders, borders[1:], strict=False)]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_thought_is_taken_out_wherever_its_tags_are_cut(text: str) -> None:
    places = range(len(text) + 1)
    for chunks in (cut(text, [first, second]) for first in places for second in places):
        assert read(chunks) == TEXTS[text]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.lists(st.integers(0, 200), max_size=12))
def test_any_chunking_gives_the_same_text(text: str, places: Sequence[int]) -> None:
    texts = read(cut(text, places))
    assert texts == read([text])
    "".join(texts).encode()  # no half of a pair is left


def test_nothing_certain_is_held_back() -> None:
    thought = ThinkTagParser()
    for text, piece in (
        ("<think>so <", (Kind.REASONING, "so ")),
        ("b>", (Kind.REASONING, "<b>")),
        ("</think>", None),
        ("yes", (Kind.TEXT, "yes")),
        ("<th", (Kind.TEXT, "<th")),
    ):
        assert list(thought.split(text)) == ([piece] if piece else [])


def test_what_chunks_carry_besides_text() -> None:
    usage: Any = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "output_token_details": {"reasoning": 1}}
    answer, silent = ChunkReader(), ChunkReader()
    chunks = [
        AIMessageChunk(content="so", additional_kwargs={"reasoning_content": "why"}),
        AIMessageChunk(content="", response_metadata={"finish_reason": "length"}),
        AIMessageChunk(content="", usage_metadata=usage),
        AIMessageChunk(content=""),
    ]
    life = [None] * 4  # one for each chunk, also for those without text
    assert list(answer.pieces(chunks)) == [(Kind.REASONING, "why"), (Kind.TEXT, "so"), *life]
    assert answer.finish_reason == "length"
    assert answer.usage == {"input_tokens": 3, "cached_tokens": 0, "output_tokens": 2, "reasoning_tokens": 1}
    assert list(silent.pieces([])) == []
    assert (silent.finish_reason, silent.usage) == (None, None)
