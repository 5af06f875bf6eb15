"""The elements of a DOCX that the library has no calls for: fields, links, names of places."""

from __future__ import annotations

from typing import Any

from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

# What an XML file cannot hold.
_UNFIT = dict.fromkeys({*range(32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF} - {9, 10})


def fit(text: str) -> str:
    """A text as XML can hold it."""
    return text.translate(_UNFIT)


def element(tag: str, /, **attributes: str) -> Any:
    """A new element `w:tag`."""
    made = OxmlElement(f"w:{tag}")
    for key, value in attributes.items():
        made.set(qn(f"w:{key}"), value)
    return made


def add_text(parent: Any, text: str) -> None:
    """Add words, and tabs, to a paragraph's or a link's element."""
    run = element("r")
    for number, words in enumerate(text.split("\t")):
        if number:
            run.append(element("tab"))
        content = element("t")
        content.text = words
        run.append(content)
    parent.append(run)


def add_field(parent: Any, instruction: str, result: str) -> None:
    """Add what whoever opens the file finds out; until then there is the result."""
    words = element("instrText")
    words.text = instruction
    _add_run(parent, element("fldChar", fldCharType="begin", dirty="true"))
    _add_run(parent, words)
    _add_run(parent, element("fldChar", fldCharType="separate"))
    add_text(parent, result)
    _add_run(parent, element("fldChar", fldCharType="end"))


def _add_run(parent: Any, content: Any) -> None:
    run = element("r")
    run.append(content)
    parent.append(run)


def add_mark(paragraph: Any, name: str, number: int) -> None:
    """Make this place of a paragraph one that links can lead to."""
    paragraph._p.append(element("bookmarkStart", id=str(number), name=name))
    paragraph._p.append(element("bookmarkEnd", id=str(number)))


def add_link(paragraph: Any, *, mark: str = "", address: str = "") -> Any:
    """Add a link to a place of this document, or to an address, and give its element, to put runs into."""
    link = element("hyperlink")
    if mark:
        link.set(qn("w:anchor"), mark)
    else:
        link.set(qn("r:id"), paragraph.part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True))
    paragraph._p.append(link)
    return link
