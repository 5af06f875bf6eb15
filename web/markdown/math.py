"""LaTeX formulas in Markdown, as MathML.

Where a formula ends must never depend on what follows an empty line: a block that is finished stays as it is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from latex2mathml.converter import Converter
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

# `$5 and $6` is money: no space inside single dollars, no digit outside. The limits bound what an unclosed one costs.
_INLINE = re.compile(
    r"""  \$\$ (?P<dollars> [^$]{1,2000}+ ) \$\$
    | \\\[ (?P<brackets>    .{1,2000}?  ) \\\]
    | \\\( (?P<parentheses> .{1,2000}?  ) \\\)
    | (?<!\d) \$ (?!\s) (?P<dollar> (?:[^$\\]|\\.){1,2000}+ ) (?<!\s) \$ (?!\d)
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENING = re.compile(
    r"(?P<dollars>\$\$)|(?P<brackets>\\\[)"
    r"|\\begin\{(?P<name>(equation|align|eqnarray|flalign|gather|multline|[bBpvV]?matrix|cases)\*?)\}"
)
_CLOSINGS = {"dollars": "$$", "brackets": r"\]"}
_MAX_LINES = 100

# Of the environments with aligned and with centred lines the converter knows one each.
_ALIGNED = re.compile(r"(?<=[nd])\{(align|aligned|eqnarray|flalign)\*?\}")
_CENTRED = re.compile(r"(?<=[nd])\{(gather|gathered|multline)\*?\}")
# A few definitions can grow to gigabytes.
_DEFINITION = re.compile(r"\\(def|new(command|environment)|DeclareMathOperator)(?![A-Za-z])")


def formulas(parser: MarkdownIt) -> None:
    """A plugin for `$...$`, `\\(...\\)`, `$$...$$`, `\\[...\\]` and `\\begin{...}...\\end{...}`."""
    parser.inline.ruler.before("escape", "formula", _inline)
    parser.block.ruler.before("fence", "display", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.add_render_rule("formula", _render)
    parser.add_render_rule("display", _render)


def _mathml(latex: str, *, display: bool) -> str:
    """One formula; as it was written if it cannot be read."""
    as_written = f"<code>{html.escape(latex)}</code>"
    if _DEFINITION.search(latex):
        return as_written
    try:
        convertible = _CENTRED.sub("{matrix}", _ALIGNED.sub("{align*}", latex))
        math = Converter(display="block" if display else "inline").convert_to_element(convertible)
        for element in math.iter():
            element.text = html.unescape(element.text or "")  # the converter writes characters as entities
        return ElementTree.tostring(math, encoding="unicode")
    except Exception:  # noqa: BLE001  (on half a formula the converter raises anything, RecursionError included)
        return as_written


def _inline(state: StateInline, silent: bool) -> bool:
    formula = _INLINE.match(state.src, state.pos, state.posMax)
    if formula is None or formula.lastgroup is None:
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = formula[formula.lastgroup]
        token.meta["display"] = formula.lastgroup in _CLOSINGS
    state.pos = formula.end()
    return True


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    opening = _OPENING.match(state.src, state.bMarks[start] + state.tShift[start], state.eMarks[start])
    if opening is None or state.is_code_block(start):
        return False
    closing = _CLOSINGS.get(opening.lastgroup or "", rf"\end{{{opening['name']}}}")
    lines = [state.src[opening.end() : state.eMarks[start]]]
    stop = min(end, start + _MAX_LINES)
    alone = not lines[0].strip()  # it may still be being written, which `$$ a lot` never was
    if not alone and closing not in state.src[opening.end() : state.eMarks[stop - 1]]:
        return False
    number = start + 1
    while closing not in lines[-1] and number < stop and not _is_over(state, number):
        lines.append(state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]])
        number += 1
    body, closed, after = "\n".join(lines).partition(closing)
    if not body.strip() or not (closed or alone) or after.strip(" \t.,;:。，；："):
        return False
    if not silent:
        token = state.push("display", "math", 0)
        token.content = f"{opening[0]}{body}{closed}" if opening["name"] else body + after
        token.meta["display"] = token.block = True
        token.map = [start, number]
    state.line = number
    return True


def _is_over(state: StateBlock, number: int) -> bool:
    return state.isEmpty(number) or state.sCount[number] < state.blkIndent


def _render(_: RendererProtocol, tokens: Sequence[Token], index: int, *__: object) -> str:
    token = tokens[index]
    rendered = _mathml(token.content, display=token.meta["display"])
    return f'<div class="formula">{rendered}</div>\n' if token.block else rendered
