"""The demo model's text: what it understands of a prompt, and that a person can enjoy what it writes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_model.passages import PassagePicker, measure, pools, split_tokens
from demo_model.text_generator import Brief, generate_text, read_brief, reason

KINDS = ("story", "explainer", "essay")
TOPICS = {"en": "the Antikythera mechanism", "zh": "翠花"}
ALL_BRIEFS = [(language, kind) for language in TOPICS for kind in KINDS]


def brief(language: str, kind: str, size: int = 400) -> Brief:
    return Brief(TOPICS[language], language, kind, size)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Write a story of about 300 words about “tea”.", Brief("tea", "en", "story", 300)),
        ("写一个关于「翠花」的故事，300字左右", Brief("翠花", "zh", "story", 300)),
        ("Write a 1,200-word story about the sea", Brief("the sea", "en", "story", 1200)),
        ("Explain how magnets work in about 90 words.", Brief("how magnets work", "en", "essay", 90)),
        ("人工智能是什么？", Brief("人工智能", "zh", "essay", 400)),
        ("Topic: black holes\nTone: calm", Brief("black holes", "en", "essay", 220)),
        ("主题：翠花", Brief("翠花", "zh", "essay", 400)),
        ("Write in English about “翠花”, please", Brief("翠花", "en", "essay", 220)),
        ('Write "How it began", 9 words', Brief("How it began", "en", "essay", 50)),
        ("The chapter “Prices” of a report about “tea”", Brief("tea", "en", "essay", 220)),
        ("请写“边界”这一节，999999字", Brief("边界", "zh", "essay", 50_000)),
        ("", Brief("…", "en", "essay", 220)),
    ],
)
def test_a_brief_is_read_from_the_prompt(prompt: str, expected: Brief) -> None:
    assert read_brief(prompt, [prompt]) == expected


@pytest.mark.parametrize("language", TOPICS)
def test_an_explainer_keeps_the_three_headings_of_its_prompt(language: str) -> None:
    system = "Answer in three parts: " + " ".join(pools(language)["marker"])
    text = generate_text(read_brief("tea", [system, "tea"]), "seed")
    headings = [line.removeprefix("### ") for line in text.splitlines() if line.startswith("#")]
    assert headings == pools(language)["marker"]


@pytest.mark.parametrize(("language", "kind"), ALL_BRIEFS)
def test_a_text_says_who_wrote_it_and_is_markdown_with_a_list(language: str, kind: str) -> None:
    for seed in "abcdefgh":
        text = generate_text(brief(language, kind), seed)
        assert text.startswith(pools(language)["note"][0] + "\n\n")
        assert "\n- " in text
        assert "**" in text
        assert "\n#" in text
        assert "{" not in text
        assert TOPICS[language] in text


@pytest.mark.parametrize(("language", "kind"), ALL_BRIEFS)
@pytest.mark.parametrize("size", [300, 1000, 20_000])
def test_a_text_is_about_as_long_as_asked(language: str, kind: str, size: int) -> None:
    for seed in "abcd":
        assert measure(generate_text(brief(language, kind, size), seed)) == pytest.approx(size, rel=0.25)


@pytest.mark.parametrize(("language", "kind"), ALL_BRIEFS)
def test_five_hundred_words_do_not_repeat_themselves(language: str, kind: str) -> None:
    lines = Counter(line for line in generate_text(brief(language, kind, 500), "seed").splitlines() if line)
    assert lines.most_common(1)[0][1] == 1


@pytest.mark.parametrize(("language", "kind"), ALL_BRIEFS)
def test_there_are_always_enough_tokens(language: str, kind: str) -> None:
    for count in (0, 1, 7, 400, 30_000):
        assert len(split_tokens(generate_text(brief(language, kind), "seed", count))) >= count
        assert len(split_tokens(reason(brief(language, kind), "seed", count))) >= count


def test_long_texts_are_divided_by_numbered_headings() -> None:
    assert "\n### 4. " in generate_text(brief("en", "story", 2000), "seed")
    assert "\n### 8. " in generate_text(brief("zh", "essay", 5000), "seed")


@pytest.mark.parametrize("language", TOPICS)
def test_every_passage_takes_its_slots(language: str) -> None:
    book = PassagePicker(language, "tea", "seed")
    for name, passages in pools(language).items():
        assert passages, name
        assert all("{" not in passage.replace("*}", "}").format_map(book) for passage in passages)
    assert sum(map(len, pools(language).values())) > 150
    assert [len(passages) for passages in pools("zh").values()] == [len(it) for it in pools("en").values()]


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(split_tokens(text)) == text


def test_tokens_are_words_or_one_or_two_characters_and_no_mark_is_torn_off() -> None:
    assert split_tokens("So, it  is.\n\n") == ["So,", " it", "  is.", "\n\n"]
    assert split_tokens("人工智能AI呢") == ["人工", "智能", "AI", "呢"]
    assert split_tokens("か\u3099き\u3099く\u3099 e\u0301a 葛\U000e0100") == [
        "か\u3099き\u3099",
        "く\u3099",
        " e\u0301a",
        " 葛\U000e0100",
    ]
