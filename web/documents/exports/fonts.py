"""The fonts of this machine that a PDF can be made with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
)
# Regular, bold, italic, bold and italic; the best first.
_TEXT = (
    ("NotoSerif-Regular.ttf", "NotoSerif-Bold.ttf", "NotoSerif-Italic.ttf", "NotoSerif-BoldItalic.ttf"),
    ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSerif-Italic.ttf", "DejaVuSerif-BoldItalic.ttf"),
    ("LiberationSerif-Regular.ttf", "LiberationSerif-Bold.ttf", "LiberationSerif-Italic.ttf",
     "LiberationSerif-BoldItalic.ttf"),
    ("Times New Roman.ttf", "Times New Roman Bold.ttf", "Times New Roman Italic.ttf",
     "Times New Roman Bold Italic.ttf"),
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
)  # fmt: skip
_CODE = (("DejaVuSansMono.ttf",), ("NotoSansMono-Regular.ttf",), ("LiberationMono-Regular.ttf",), ("Courier New.ttf",))
# With the number of the Simplified Chinese font in a collection.
_CHINESE = (
    (("NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc"), 2),
    (("NotoSerifCJK-Regular.ttc", "NotoSerifCJK-Bold.ttc"), 2),
    (("SourceHanSansSC-Regular.otf", "SourceHanSansSC-Bold.otf"), 0),
    (("NotoSansSC-Regular.otf", "NotoSansSC-Bold.otf"), 0),
    (("wqy-microhei.ttc",), 0),
    (("wqy-zenhei.ttc",), 0),
    (("DroidSansFallbackFull.ttf",), 0),
    (("Hiragino Sans GB.ttc",), 0),
    (("STHeiti Light.ttc",), 0),
    (("Arial Unicode.ttf",), 0),
)
_SYMBOLS = (("DejaVuSans.ttf",), ("NotoSansSymbols2-Regular.ttf",), ("NotoEmoji-Regular.ttf",), ("Apple Symbols.ttf",))


@dataclass(frozen=True, slots=True)
class Font:
    """The files of one font: regular, bold, italic, both; `number` is its place in a collection."""

    files: Sequence[Path]
    number: int = 0


@dataclass(frozen=True, slots=True)
class Fonts:
    """What there is: a font for words, one for code, and those for characters that the first does not have."""

    text: Font | None
    code: Font | None
    symbols: Sequence[Font]
    chinese: Font | None

    @property
    def others(self) -> list[Font]:
        """What stands in for the first, the smallest first."""
        return [*self.symbols, *([self.chinese] if self.chinese else [])]


def find_fonts(folders: Sequence[Path] = FOLDERS) -> Fonts:
    """The fonts in and below the folders."""
    files = {path.name: path for folder in folders for path in folder.rglob("*.[to]t[fc]")}
    chinese = next((Font(found, number) for names, number in _CHINESE if (found := _found(files, names))), None)
    text, code = next(_fonts(files, _TEXT), None), next(_fonts(files, _CODE), None)
    return Fonts(text or chinese, code, list(_fonts(files, _SYMBOLS)), chinese)


def _fonts(files: dict[str, Path], known: Sequence[Sequence[str]]) -> Iterator[Font]:
    return (Font(found) for names in known if (found := _found(files, names)))


def _found(files: dict[str, Path], names: Sequence[str]) -> list[Path]:
    """The four files of a font, others in place of those that are missing; none without the regular one."""
    there = [files.get(name) for name in names] + [None] * (4 - len(names))
    if (regular := there[0]) is None:
        return []
    bold = there[1] or regular
    return [regular, bold, there[2] or regular, there[3] or bold]
