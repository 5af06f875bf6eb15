"""The end of a section: whatever it was cut in, the next heading has to be one."""

from __future__ import annotations

from markdown_it import MarkdownIt


def section_end(text: str) -> str:
    """What is to be added to a section's text: the fence that it left open is closed, and a blank line follows."""
    closing = _open_fence(text) if "```" in text or "~~~" in text else ""
    if closing:
        closing = closing + "\n" if text.endswith("\n") else f"\n{closing}\n"
    lines = (text + closing)[-2:]
    return closing + "\n" * (2 - (len(lines) - len(lines.rstrip("\n"))))


def _open_fence(text: str) -> str:
    """The fence that would take in a heading after a blank line; empty if there is none."""
    parser = MarkdownIt().disable(["inline", "text_join"], ignoreInvalid=True)
    tokens = parser.parse(f"{text}\n\n# x\n")
    return next((token.markup for token in tokens[-1:] if token.type == "fence" and token.level == 0), "")
