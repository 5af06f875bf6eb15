"""The language of a page: an English text is its own key, and `texts/<language>.toml` says it in another one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import orjson
from flask import g, request
from markupsafe import Markup, escape

LANGUAGES = {"en": "English", "zh": "中文"}
COOKIE = "lang"

_HERE = Path(__file__).parent.parent
_CODE = re.compile("`([^`]+)`")
# Where a script asks for a text: always with the text itself.
IN_SCRIPT = re.compile(r'\b_\("((?:[^"\\]|\\.)*)"')


def _(text: str, /, **values: object) -> str:
    """An English text in the language of the page, with `{name}` filled in; as it is where there is no other.

    "one job|{n} jobs" is two texts, of which the first is for an `n` of 1. Numbers are grouped by threes.
    """
    translation = texts(language()).get(text, text)
    if not values:  # a prompt's title is translated too, and may have braces
        return translation
    singular, *plural = translation.split("|")
    template = plural[0] if plural and values.get("n") != 1 else singular
    return template.format(
        **{name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()}
    )


def with_code(text: str) -> Markup:
    """A text as HTML, in which what stands between backticks is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  (escaped just before)


def language() -> str:
    """The language of the page that is being made: the one that was chosen, else the browser's."""
    if "language" not in g:
        choice = request.cookies.get(COOKIE)
        g.language = choice if choice in LANGUAGES else request.accept_languages.best_match(LANGUAGES, "en")
    return str(g.language)


@cache
def texts(language: str) -> Mapping[str, str]:
    """English to the language; nothing for English."""
    path = _HERE / "texts" / f"{language}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def script_words() -> str:
    """The texts that the scripts ask for, as JSON, English to the language of the page."""
    return _script_words(language())


@cache
def _script_words(language: str) -> str:
    scripts = [path.read_text("utf-8") for path in (_HERE / "static").glob("*.js")]
    words = sorted(text for script in scripts for text in IN_SCRIPT.findall(script))
    translations = texts(language)
    return orjson.dumps({text: translations[text] for text in words if text in translations}).decode()
