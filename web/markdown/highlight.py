"""Code in colours: comments, strings, numbers, keywords, calls.

One expression, once over the code: it costs its length whatever it is. Pygments is better at every language, but its
lexers of Python and C think for seven seconds about 16 KB of blank lines, and a model that loops writes just that.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from html import escape
from pathlib import Path
from typing import Any


@cache
def _known() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def highlight(code: str, language: str, _: str = "") -> str:
    """Code as HTML with a class for each part; nothing if the language is not known."""
    for family in _known()["families"]:
        if language.lower() in family["languages"].split():
            return _parts(family["comment"]).sub(_span, escape(code, quote=False))
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
        | (?P<k> \b(?:{"|".join(_known()["keywords"].split())})\b )
        | (?P<f> \b[A-Za-z_]\w*+(?=\() )
        """,
        re.VERBOSE | re.DOTALL | re.IGNORECASE,
    )
