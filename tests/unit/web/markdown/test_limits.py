"""What a text may cost to format: beyond it, it is shown as written, below a line that says so; nothing is lost."""

from __future__ import annotations

import html
import re
import time

import pytest

from tests.support.hostile_texts import HOSTILE_TEXTS
from web.markdown import limits
from web.markdown.blocks import render, render_parts

NOTICE = "Shown as plain text: too large to format."


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_a_text_costs_a_bounded_time_and_size(name: str) -> None:
    began = time.process_time()
    made = render(HOSTILE_TEXTS[name])
    assert time.process_time() - began < 6  # minutes, without limits
    assert len(made) < 2.5 * limits.MAX_TEXT_HTML


def test_a_table_is_formatted_up_to_so_many_cells() -> None:
    head = "|" + "a|" * 50 + "\n|" + "-|" * 50 + "\n"
    assert "<table>" in render(head + "|x\n" * 30)
    made = render(head + "|secret\n" * 200)
    assert "<table>" not in made
    assert NOTICE in made
    assert made.count("secret") == 200


def test_a_table_in_a_quotation_counts_too() -> None:
    assert limits.has_huge_table("> |" + "a|" * 400 + "\n> |" + "-|" * 400 + "\n" + "> |x\n" * 200)
    assert limits.has_huge_table("1. |" + "a|" * 400 + "\n   |" + "-|" * 400 + "\n" + "   |x\n" * 200)
    assert not limits.has_huge_table("a | b\n" * 3000)


def test_no_definition_is_lost() -> None:
    made = render("[^n1] [^n1150]\n\n" + "".join(f"[^n{number}]: note {number}.\n\n" for number in range(1200)))
    assert made.count(NOTICE) == 1
    text = html.unescape(re.sub(r"<[^>]+>", " ", made))
    assert "note 1." in text
    assert "note 1150." in text


def test_what_follows_the_limit_of_a_text_is_plain() -> None:
    made = render("**bold** [a]\n\n[a]: http://" + "x" * 3000 + "\n\n" + ("[a] " * 200 + "\n\n") * 10 + "**end**")
    assert "<strong>bold</strong>" in made
    assert "**end**" in made
    assert NOTICE in made


def test_the_parts_of_a_text_share_its_limit() -> None:
    large = "[a]: http://" + "x" * 3000 + "\n\n" + ("[a] " * 200 + "\n\n") * 10
    first, second = render_parts([(1, f"**first**\n\n{large}"), (2, "**second**")])
    assert "<strong>first</strong>" in first
    assert "**second**" in second
    assert NOTICE in second


def test_a_text_has_only_so_much_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_TEXT_SECONDS", 0.0)
    made = render("**first**\n\nmiddle\n\n**second**\n\nend\n")
    assert "<strong>first</strong>" in made
    assert "**second**" in made
    assert NOTICE in made
