"""What a model's chunks say, however its text is cut."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk

from worker.answer import Answer, Kind, Thought

THINKING = [
    "<think>why</think>because",
    "\n <think>\n why \n</think>\n\n because",
    "<think></think>because",
    "<think>why <b>not</b></thin></think>because </think> it <think>is</think>",
    "<think>never said",
    "<think>never said</thi",
    "because <think>not a thought</think>",
    "<thinking>about</thinking>",
    "<thi",
    "  ",
    "<think>\n\n</think>\n",
]


def texts(pieces: Iterable[tuple[Kind, str] | None]) -> dict[Kind, str]:
    """What belongs to each kind; reasoning comes first, or there is none."""
    said = dict.fromkeys(Kind, "")
    for kind, text in filter(None, pieces):
        assert kind is Kind.TEXT or not said[Kind.TEXT]
        said[kind] += text
    return said


def read(chunks: Iterable[str]) -> dict[Kind, str]:
    return texts(Answer().pieces(AIMessageChunk(content=chunk) for chunk in chunks))


def cut(text: str, places: Iterable[int]) -> list[str]:
    borders = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[begin:end] for begin, end in zip(borders, borders[1:], strict=False)]


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        (THINKING[0], "why", "because"),
        (THINKING[1], "why \n", "because"),
        (THINKING[2], "", "because"),
        (THINKING[3], "why <b>not</b></thin>", "because </think> it <think>is</think>"),
        (THINKING[5], "never said</thi", ""),
        (THINKING[6], "", THINKING[6]),
        (THINKING[7], "", THINKING[7]),
        (THINKING[8], "", "<thi"),
    ],
    ids=str,
)
def test_a_thought_is_taken_out(text: str, reasoning: str, answer: str) -> None:
    assert read([text]) == {Kind.REASONING: reasoning, Kind.TEXT: answer}


@pytest.mark.parametrize("text", THINKING)
def test_a_tag_may_be_cut_at_any_two_places(text: str) -> None:
    whole = read([text])
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            assert read(cut(text, [first, second])) == whole


PIECES = st.sampled_from(["<think>", "</think>", "<", "think>", " ", "\n", "x", "翠", "\ud83d", "\ude00", "\ufeff"])


@given(st.lists(PIECES, max_size=12).map("".join), st.lists(st.integers(0, 200), max_size=12))
def test_any_chunking_gives_the_same_text(text: str, places: list[int]) -> None:
    said = read(cut(text, places))
    assert said == read([text])
    for part in said.values():
        part.encode()  # no half of a pair is left


def test_nothing_certain_is_held_back() -> None:
    thought = Thought()
    assert list(thought.split("<think>so <")) == [(Kind.REASONING, "so ")]
    assert list(thought.split("b>")) == [(Kind.REASONING, "<b>")]
    assert list(thought.split("</think>")) == []
    assert list(thought.split("yes")) == [(Kind.TEXT, "yes")]
    assert list(thought.split("<th")) == [(Kind.TEXT, "<th")]


def test_halves_of_a_pair_are_joined_and_lone_ones_replaced() -> None:
    assert read(["a\ud83d", "\ude00b"])[Kind.TEXT] == "a😀b"
    assert read(["a\ud83d", "b", "\ude00"])[Kind.TEXT] == "a\ufffdb\ufffd"
    assert read(["a\ud83d"])[Kind.TEXT] == "a\ufffd"


def test_reasoning_in_a_field_of_its_own() -> None:
    chunks = [
        AIMessageChunk(content="", additional_kwargs={"reasoning_content": "why"}),
        AIMessageChunk(content="so", additional_kwargs={"reasoning_content": "?"}),
        AIMessageChunk(content=""),
    ]
    pieces = list(Answer().pieces(chunks))
    assert pieces == [(Kind.REASONING, "why"), None, (Kind.REASONING, "?"), (Kind.TEXT, "so"), None, None]


def test_how_it_ended_and_what_it_cost() -> None:
    answer = Answer()
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "output_token_details": {"reasoning": 1}}
    chunks = [
        AIMessageChunk(content="x"),
        AIMessageChunk(content="", response_metadata={"finish_reason": "length"}),
        AIMessageChunk(content="", usage_metadata=usage),
        AIMessageChunk(content=""),
    ]
    for number, _ in enumerate(answer.pieces(chunks)):
        assert (answer.finish_reason is None) == (number < 2)
    assert answer.finish_reason == "length"
    assert answer.usage == {"input_tokens": 3, "cached_tokens": 0, "output_tokens": 2, "reasoning_tokens": 1}
    silent = Answer()
    assert texts(silent.pieces([])) == dict.fromkeys(Kind, "")
    assert (silent.finish_reason, silent.usage) == (None, None)
