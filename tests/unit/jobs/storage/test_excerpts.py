"""The passage that a search shows: around the first hit, with each hit marked."""

from __future__ import annotations

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.protocol.stored_text import text_at_beginning
from jobs.storage.search.excerpts import excerpt

LONG = "The history of bridges begins with a fallen tree across a stream. " * 5


@pytest.mark.parametrize(
    ("text", "question", "pieces"),
    [
        ("Penguins walk.", "walk", ("Penguins ", "walk", ".")),
        ("Penguins\n\nwalk to  the sea.", "SEA penguin", ("", "Penguin", "s walk to the ", "sea", ".")),
        ("An oxen is no ox.", "ox", ("An oxen is no ", "ox", ".")),  # too short for a beginning
        ("企鹅在冰上走。", "冰上", ("企鹅在", "冰上", "走。")),
        ("nothing", "walk", ()),
        ("anything", " ?! ", ()),
    ],
)
def test_a_hit_stands_between_what_is_around_it(text: str, question: str, pieces: tuple[str, ...]) -> None:
    assert excerpt(["", text], question) == pieces


def test_a_passage_of_a_long_text_begins_and_ends_at_words() -> None:
    before, hit, after = excerpt([f"{LONG}A swan swims. {LONG}"], "swan")
    assert before.startswith("… ")
    assert before.endswith(" stream. A ")
    assert hit == "swan"
    assert after.endswith(" …")
    assert len(before + hit + after) < 200


@given(st.text(max_size=500), st.text(max_size=20))
def test_a_passage_is_of_the_text(text: str, question: str) -> None:
    pieces = excerpt([text], question)
    assert len(pieces) % 2 == (1 if pieces else 0)
    passage = re.sub(r"^… | …$", "", "".join(pieces))
    assert passage in " ".join(text.split())


@pytest.mark.parametrize("text", [LONG * 999, f"İ{LONG * 9}"])  # a capital that becomes two letters
def test_the_first_hit_of_a_long_text_is_found(text: str) -> None:
    before, hit, after, *_ = excerpt([f"{text}Swanlike. A swan swims. {text} A swan."], "swan x")
    assert (before.split()[-1], hit, after.split()[0]) == ("stream.", "Swan", "like.")
    assert excerpt([f"{text}Oxen. An ox. {text}"], "ox")[:2] == ("… across a stream. Oxen. An ", "ox")


def test_marks_are_taken_from_a_passage() -> None:
    assert excerpt(["**A** `swan` swims."], "swan", lambda passage: re.sub(r"[*`]", "", passage)) == (
        "A ",
        "swan",
        " swims.",
    )


TEXT = 'A "swan"\\ swims,\n\x01天鹅在游。'


@pytest.mark.parametrize("cut", [10_000, *range(110, 320)])
def test_the_text_of_a_response_that_is_cut_anywhere_is_its_beginning(cut: int) -> None:
    thought = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": '"type":"output_text","text":"x'}]}
    answers = [{"type": "output_text", "text": text, "annotations": []} for text in (TEXT, "And more.")]
    stored = orjson.dumps({"id": "resp", "output": [thought, {"type": "message", "content": answers}]})
    text = text_at_beginning(stored[:cut])
    assert f"{TEXT}And more.".startswith(text)
    assert text == f"{TEXT}And more." or cut < len(stored)
