"""The Markdown that models write, as HTML for a page.

Nothing in a text may run or load: raw HTML is shown as text, an image is a link to it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.footnote.index import footnote_tail

from web.markdown import sanitizer
from web.markdown.autolinks import link_addresses
from web.markdown.highlight import highlight
from web.markdown.limits import MAX_BLOCK_HTML, MAX_DEFINITIONS, Budget, has_huge_table, plain
from web.markdown.math import formulas

_BREAK = re.compile(r"\s{0,20}+<br\s{0,20}+/?>\s*+", re.IGNORECASE)


class Document:
    """One text, block by block, and what its blocks share: link targets, footnotes, ids.

    Its parts share the ids of headings and what the text may cost; `[^1]` in one part is another note than in the next.
    """

    def __init__(self, *, whole: Document | None = None, part: str = "") -> None:
        self._ids: Counter[str] = whole._ids if whole else Counter()
        self._budget: Budget = whole._budget if whole else Budget()
        self._shared: dict[str, Any] = {"ids": self._ids, "part": part}
        self._notes: list[Token] = []
        self._definitions = 0
        self._plain: set[str] = set()
        self._is_noticed = False

    def part(self, number: int) -> Document:
        """A part with definitions of its own; `number` is in the anchors of its notes, unless it is 0."""
        return Document(whole=self, part=f"{number}-" if number else "")

    def define(self, source: str) -> None:
        """Take the link targets and footnotes that a block defines, for all that is rendered from now on."""
        definitions = source.count("]:")
        if not definitions:
            return
        if has_huge_table(source) or self._definitions + definitions > MAX_DEFINITIONS:
            self._plain.add(source)
            return
        self._definitions += definitions
        with self._budget.timed():
            parse(source, self._shared)

    def html(self, source: str) -> str:
        """A block as safe HTML, without the footnotes that it defines; beyond the limits, as plain text."""
        if source in self._plain or self._budget.is_spent or has_huge_table(source):
            html = self._as_plain(source)
        else:
            with self._budget.timed():
                html = self._html(source)
        self._budget.count(html)
        return html

    def _as_plain(self, source: str) -> str:
        notice, self._is_noticed = not self._is_noticed, True
        return plain(source, notice=notice)

    def _html(self, source: str) -> str:
        state = StateCore("", _parser(), self._shared, parse(source))
        _parser().core.process(state)
        html = self._render(state.tokens)
        if len(html) > MAX_BLOCK_HTML:
            return self._as_plain(source)
        body: list[Token] = []
        depth = 0
        for token in state.tokens:
            depth += token.type == "footnote_reference_open"
            (self._notes if depth else body).append(token)
            depth -= token.type == "footnote_reference_close"
        return sanitizer.sanitize(html if len(body) == len(state.tokens) else self._render(body))

    def footnotes(self) -> str:
        """The footnotes that the blocks refer to, for the end of the text; empty if there are none."""
        state = StateCore("", _parser(), self._shared, self._notes)
        footnote_tail(state)
        return sanitizer.sanitize(self._render(state.tokens))

    def _render(self, tokens: Sequence[Token]) -> str:
        return str(_parser().renderer.render(tokens, _parser().options, self._shared))


def parse(source: str, shared: EnvType | None = None) -> list[Token]:
    """The block structure of a text; what it defines is put into `shared`."""
    tokens: list[Token] = []
    _parser().block.parse(source, _parser(), {} if shared is None else shared, tokens)
    return tokens


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt()
    parser.inline = _Inline()
    options = {"html": False, "tasklists": True, "highlight": highlight}
    parser.configure("commonmark", options_update=options).enable(["table", "strikethrough"])
    # The stages are run apart: what a text defines at its end has to be known before its first words are read.
    parser.disable(["normalize", "block"])
    parser.use(footnote_plugin, inline=False, move_to_end=False).use(formulas)
    parser.core.ruler.push("adapt", _adapt)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("list_item_open", _item)
    parser.core.ruler.before("text_join", "cell_breaks", _break_lines_in_cells)
    parser.core.ruler.after("text_join", "addresses", link_addresses)
    parser.add_render_rule("footnote_anchor_name", _anchor)
    return parser


class _Inline(ParserInline):
    """The library's own, but for the state that its rules work on."""

    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        state = _InlineState(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class _InlineState(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        """Whether a run of `*` opens or closes.

        CommonMark asks for spaces around punctuation, and so leaves `**重点：**下文` as it is: Chinese has none.
        """
        scanned = super().scanDelims(start, canSplitWord)
        end = start + scanned.length
        before, after = self.src[max(start - 1, 0) : start], self.src[end : end + 1]
        if canSplitWord and any(map(_is_wide, before + after)):
            return Scanned(bool(after.strip()), bool(before.strip()), scanned.length)
        return scanned


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")


def _adapt(state: StateCore) -> None:
    """Headings get ids, cells classes instead of styles, and images know whether they stand in a link."""
    for token, following in pairwise([*state.tokens, Token("", "", 0)]):
        if token.type == "heading_open":
            token.attrs["id"] = _id("".join(child.content for child in following.children or []), state.env["ids"])
        if style := str(token.attrs.pop("style", "")):
            token.attrs["class"] = style.removeprefix("text-align:")
        links = 0
        for child in token.children or []:
            links += child.nesting * (child.tag == "a")
            if child.type == "image":
                child.meta["linked"] = links > 0


def _id(title: str, used: Counter[str]) -> str:
    slug = re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-")[:80] or "section"
    used[slug] += 1
    return slug if used[slug] == 1 else f"{slug}.{used[slug]}"


def _break_lines_in_cells(state: StateCore) -> None:
    """`<br>` is the only way to break a line in a table's cell; elsewhere it is text like any other tag."""
    for cell, token in pairwise(state.tokens):
        if cell.type in ("td_open", "th_open") and token.children and "<" in token.content:
            token.children = [part for child in token.children for part in _broken(child)]


def _broken(token: Token) -> Iterator[Token]:
    """A text as the lines that it has in a cell."""
    lines = _BREAK.split(token.content) if token.type == "text" else []
    if len(lines) < 2:
        yield token
        return
    for number, line in enumerate(lines):
        if number:
            yield Token("hardbreak", "br", 0, level=token.level)
        yield Token("text", "", 0, content=line, level=token.level)


def _anchor(_: RendererHTML, tokens: Sequence[Token], index: int, __: OptionsDict, env: EnvType) -> str:
    """The end of a note's anchor, with a colon, which no heading's id has."""
    return f":{env['part']}{tokens[index].meta['id'] + 1}"


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """A link that says where it leads: an element would tell that server who reads the text."""
    token = tokens[index]
    address = str(token.attrs["src"])
    host = re.match(r"(?:https?:)?//([^/?#]*)", address)
    words = renderer.renderInlineAsText(token.children, options, env) or "image"
    label = escape(f"{words} ({host[1]})" if host else words)
    return label if token.meta["linked"] else f'<a href="{escape(address)}">{label}</a>'


def _item(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """A task has its box as a character: no form's element is let into a page."""
    box = {None: "", False: "☐ ", True: "☑ "}[tokens[index].meta.get("checked")]
    return renderer.renderToken(tokens, index, options, env) + box
