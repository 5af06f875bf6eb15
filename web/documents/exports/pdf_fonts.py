"""The fonts of a PDF, and what becomes of characters that none of them has."""

from __future__ import annotations

import unicodedata
from collections.abc import Container

from fpdf import FPDF
from fpdf.fonts import TTFFont

from web.documents.exports.fonts import Font, Fonts

_STYLES = ("", "B", "I", "BI")
# Control, format, private: nothing is lost to a reader without them.
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Mn"})


class FontMissing(Exception):  # noqa: N818  (the name says what is the matter)
    """No font of this machine has the letters of a script, which is the error's words."""


def add_fonts(pdf: FPDF, fonts: Fonts, text: str) -> dict[int, str]:
    """Give a PDF the families `text` and `code`, and those that it needs for the other characters of a text.

    What to write in place of each character that no font has: like ones, else its name in brackets. Raises FontMissing
    for letters: a text of names could not be read.
    """
    if fonts.text is None:
        raise FontMissing("LATIN")
    known = _add(pdf, "text", fonts.text, 4)
    _add(pdf, "code", fonts.code or fonts.text, 1)
    wanted = set(map(ord, text)) - {ord("\n"), ord("\t")}
    families: list[str] = []
    for number, font in enumerate(fonts.others):
        if any(unicodedata.category(chr(code)) not in _INVISIBLE for code in wanted - known):
            families.append(f"other{number}")
            known |= _add(pdf, families[-1], font, 2)
    pdf.set_fallback_fonts(families, exact_match=False)
    try:
        return {code: _substitute(chr(code), known) for code in wanted - known}
    except FontMissing:
        for added in pdf.fonts.values():
            if isinstance(added, TTFFont):
                added.close()
        raise


def use_font(pdf: FPDF, family: str, style: str, size: float) -> None:
    """Write in this font (size in points) from here on, also where it is this one already.

    A character of another font leaves a page without any, which the library does not know.
    """
    pdf.font_family = ""
    pdf.set_font(family, style, size)


def _add(pdf: FPDF, family: str, font: Font, styles: int) -> set[int]:
    """Add the first styles of a family; the characters that it has."""
    for style, file in zip(_STYLES[:styles], font.files, strict=False):
        pdf.add_font(family, style, file, collection_font_number=font.number)
    return set(getattr(pdf.fonts[family], "cmap", ()))


def _substitute(character: str, known: Container[int]) -> str:
    like = unicodedata.normalize("NFKC", character)
    category = unicodedata.category(character)
    if like != character and all(ord(part) in known for part in like):
        return like
    if category in _INVISIBLE:
        return ""
    name = unicodedata.name(character, f"U+{ord(character):04X}")
    if category.startswith("L"):
        raise FontMissing(name.split()[0].partition("-")[0])
    return f"[{name.lower()}]"
