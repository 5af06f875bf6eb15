"""A page read strictly: what a browser would have to mend, and what a screen reader would miss, is a fault."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser

VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
CONTROLS = frozenset({"input", "select", "textarea"})
# Elements that may not stand inside of another of their kind.
APART = frozenset(["a", "button", "form", "label", "main", "select"])
BLOCKS = frozenset(
    ["article", "details", "div", "figure", "form", "h1", "h2", "h3", "nav", "ol", "p", "section", "table", "ul"]
)


@dataclass
class Element:
    """One element: its tag, its attributes, the text in it."""

    tag: str
    attributes: dict[str, str]
    parents: list[Element]
    text: str = ""


class Markup(HTMLParser):
    """All elements of a page, in order; `faults` says what is wrong with it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.faults: list[str] = []
        self._open: list[Element] = []
        if not page.startswith("<!doctype html>"):
            self.faults.append("no doctype")
        self.feed(page)
        self.close()
        self.faults += [f"<{element.tag}> is not closed" for element in self._open]
        self._check_names()

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of a tag that have these attributes."""
        wanted = attributes.items()
        return [element for element in self.elements if element.tag == tag and wanted <= element.attributes.items()]

    def fields(self, index: int) -> dict[str, str]:
        """The values of the controls in the form of this number."""
        form = self.all("form")[index]
        inside = [element for element in self.elements if form in element.parents and "name" in element.attributes]
        return {element.attributes["name"]: self._value(element) for element in inside if element.tag != "button"}

    def _value(self, control: Element) -> str:
        if control.tag == "textarea":
            return control.text.removeprefix("\n")
        if control.tag == "select":
            options = [element for element in self.all("option") if control in element.parents]
            return next((element for element in options if "selected" in element.attributes), options[0]).attributes[
                "value"
            ]
        return control.attributes.get("value", "")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = Counter(name for name, _value in attrs)
        self.faults += [f"<{tag}> has {name} twice" for name, count in names.items() if count > 1]
        above = {element.tag for element in self._open}
        if tag in APART & above:
            self.faults.append(f"<{tag}> in <{tag}>")
        if tag in BLOCKS and above & {"p", "button", "h1", "h2"}:
            self.faults.append(f"<{tag}> in {above & {'p', 'button', 'h1', 'h2'}}")
        element = Element(tag, {name: value or "" for name, value in attrs}, list(self._open))
        self.faults += [
            f"<{tag}> has {name}" for name in element.attributes if name == "style" or name.startswith("on")
        ]
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1].tag if self._open else 'nothing'}")
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def _check_names(self) -> None:
        ids = Counter(element.attributes["id"] for element in self.elements if "id" in element.attributes)
        self.faults += [f"the id {name} is there {count} times" for name, count in ids.items() if count > 1]
        labelled = {element.attributes["for"] for element in self.all("label") if "for" in element.attributes}
        for element in self.elements:
            about = element.attributes
            for name in ("for", "aria-labelledby", "aria-describedby", "list"):
                self.faults += [
                    f"{name} names {id_}, which is not there" for id_ in about.get(name, "").split() if not ids[id_]
                ]
            if element.tag in CONTROLS and about.get("type") != "hidden":
                in_label = any(parent.tag == "label" and parent.text.strip() for parent in element.parents)
                if not (in_label or about.get("id") in labelled or about.get("aria-label")):
                    self.faults.append(f"<{element.tag} name={about.get('name')}> has no label")
            if element.tag in ("a", "button") and not (
                element.text.strip() or about.get("aria-label") or "hidden" in about
            ):
                self.faults.append(f"<{element.tag}> says nothing: {about}")
            if element.tag == "img" and "alt" not in about:
                self.faults.append("<img> without alt")
