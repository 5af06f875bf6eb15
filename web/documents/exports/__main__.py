"""The process that makes one file: JSON in, the file out. `web/documents/limited_process.py` starts it."""

from __future__ import annotations

import json
import sys
from typing import Any

from web.documents.exports.document import Document, read
from web.documents.exports.docx_file import docx_file
from web.documents.exports.fonts import find_fonts
from web.documents.exports.pdf_file import pdf_file
from web.documents.exports.pdf_fonts import FontMissing
from web.documents.limited_process import limit_this_process, refuse


def main() -> None:
    """Read what is asked from stdin, and write the file to stdout."""
    limit_this_process()
    asked: dict[str, Any] = json.load(sys.stdin)
    blocks = read(asked["sections"], asked["title"])
    document = Document(asked["title"], asked["facts"], asked["language"], blocks)
    try:
        file = docx_file(document) if asked["suffix"] == "docx" else pdf_file(document, find_fonts())
    except FontMissing as error:
        refuse("font_missing", str(error))
    sys.stdout.buffer.write(file)


if __name__ == "__main__":
    main()
