"""Code in colours: comments, strings, numbers, keywords, calls.

One expression, once over the code: it costs its length whatever it is. Pygments is better at every language, but its
lexers of Python and C think for seven seconds about 16 KB of blank lines, and a model that loops writes just that.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape

_BLOCK = r"/\*(?:[^*]|\*(?!/))*+(?:\*/)?"
# By their comments. What is not listed, as CSS or HTML, is shown as it is.
_LANGUAGES = {
    r"(?<!\S)\#[^\n]*+": "bash dockerfile makefile perl py python r rb ruby sh shell toml yaml yml",
    rf"//[^\n]*+|{_BLOCK}": "c c# c++ cpp dart go java javascript js json kotlin php rust scala swift ts typescript",
    rf"--[^\n]*+|{_BLOCK}": "lua sql",
}
_KEYWORDS = """
abstract and as async await begin bool boolean break by case catch char class const continue create def default defer
delete do double elif else elseif end enum except export extends false final finally float fn for from fun func function
go group having if impl implements import in insert int interface into is join lambda let limit local long loop match
mod module mut namespace new nil none not null of on or order package pass private protected pub public raise return
select self set short static string struct super switch table template then this throw trait true try type typedef
union unsafe update use using val values var void where while with yield
"""


def highlight(code: str, language: str, _: str = "") -> str:
    """Code as HTML with a class for each part; nothing if the language is not known."""
    for comment, languages in _LANGUAGES.items():
        if language.lower() in languages.split():
            return _parts(comment).sub(_span, escape(code, quote=False))
    return ""


def _span(part: re.Match[str]) -> str:
    return f'<span class="{part.lastgroup}">{part[0]}</span>'


@cache
def _parts(comment: str) -> re.Pattern[str]:
    return re.compile(
        rf"""
          (?P<c> {comment} )
        | (?P<s> \"\"\"(?:[^"\\]|\\.|"(?!""))*+(?:\"\"\")? | '''(?:[^'\\]|\\.|'(?!''))*+(?:''')?
               | "(?:[^"\\\n]|\\.)*+"? | (?<![\w;])'(?:[^'\\\n]|\\.)*+'? | `(?:[^`\\]|\\.)*+`? )
        | (?P<m> \b\d[\w.]*+ )
        | (?P<k> \b(?:{"|".join(_KEYWORDS.split())})\b )
        | (?P<f> \b[A-Za-z_]\w*+(?=\() )
        """,
        re.VERBOSE | re.DOTALL | re.IGNORECASE,
    )
