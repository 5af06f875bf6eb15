"""Bare addresses in a text, as links: GitHub's autolinks, which end before Chinese punctuation too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

# Spaces, `<`, and the punctuation and brackets of Chinese, Japanese and Korean.
_END = (
    r"\s<>\u2018-\u201f\u2026\u2014\u3000-\u3004\u3008-\u3020\u3030\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}+)(?:\.[A-Za-z0-9_-]{1,63}+){0,20}+"
_ADDRESS = re.compile(
    rf"""(?<![A-Za-z0-9_/@.+-])(?:
         (?P<url>https?://{_DOMAIN}(?::[0-9]{{1,5}})?(?:[/?\#][^{_END}]*+)?)
       | (?P<www>www\.{_DOMAIN}(?:[/?\#][^{_END}]*+)?)
       | (?P<mail>[A-Za-z0-9][A-Za-z0-9._+-]{{0,63}}+@[A-Za-z0-9_-]{{1,63}}+(?:\.[A-Za-z0-9_-]{{1,63}}+){{1,20}}+)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_TRAILING = "?!.,:;*_~'\"]}|"


def link_addresses(state: StateCore) -> None:
    """A rule that turns the bare addresses in the text outside of links into links."""
    for token in state.tokens:
        if token.children and any(_may_hold_address(child) for child in token.children):
            token.children = list(_linked(token.children, state))


def _may_hold_address(token: Token) -> bool:
    text = token.content
    return token.type == "text" and ("://" in text or "@" in text or "www." in text.lower())


def _linked(tokens: list[Token], state: StateCore) -> Iterator[Token]:
    links = 0
    for token in tokens:
        links += token.nesting * (token.tag == "a")
        if links or not _may_hold_address(token):
            yield token
        else:
            yield from _split(token, state)


def _split(token: Token, state: StateCore) -> Iterator[Token]:
    """A text as texts and links."""
    text, at = token.content, 0
    for match in _ADDRESS.finditer(text):
        address = _without_trailing(match[0])
        href = state.md.normalizeLink({"www": "http://", "mail": "mailto:"}.get(match.lastgroup or "", "") + address)
        if not state.md.validateLink(href):
            continue
        if match.start() > at:
            yield _text(text[at : match.start()], token.level)
        yield Token("link_open", "a", 1, attrs={"href": href}, level=token.level, markup="linkify", info="auto")
        yield _text(address, token.level + 1)
        yield Token("link_close", "a", -1, level=token.level, markup="linkify", info="auto")
        at = match.start() + len(address)
    if at < len(text):
        yield _text(text[at:], token.level)


def _text(content: str, level: int) -> Token:
    return Token("text", "", 0, content=content, level=level)


def _without_trailing(address: str) -> str:
    """An address without the punctuation of its sentence; a bracket stays if it was opened within."""
    excess = address.count(")") - address.count("(")
    end = len(address)
    while end and (address[end - 1] in _TRAILING or (address[end - 1] == ")" and excess > 0)):
        excess -= address[end - 1] == ")"
        end -= 1
    return address[:end]
